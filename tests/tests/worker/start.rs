//! Programs start, or report in one line what is missing, and exit.

mod health;
mod parts;
mod rights;
mod settings;
mod waiting;

use std::time::{Duration, Instant};

use exports_tests::Process;

/// Programs, with the variables that they need besides the database and the store.
const PROGRAMS: [(&str, &[(&str, &str)]); 2] = [
    ("exports-worker", &[]),
    (
        "exports-api",
        &[
            ("EXPORTS_LISTEN", "127.0.0.1:0"),
            (
                "EXPORTS_SIGNING_KEY",
                "a signing key for tests, which is long enough",
            ),
        ],
    ),
];

/// The maximum time of a failing start.
const BOUND: Duration = Duration::from_secs(20);
/// A marker in values that must not be logged.
const SECRET: &str = "hush-hush-hush";

/// Starts a program whose dependency does not become available. It logs that it waits, and ends with the line that this returns.
async fn complaint_after_waiting(program: &str, mut environment: Vec<(String, String)>) -> String {
    environment.push(("EXPORTS_STARTUP_TIMEOUT".to_owned(), "1s".to_owned()));
    let mut process = Process::start(program, &[], environment);
    let status = process.wait_for(BOUND).await;
    let log = process.log();
    assert_eq!(status.code(), Some(1), "{program}: {log}");
    assert!(log.contains("waiting for a dependency"), "{program}: {log}");
    assert!(!log.contains(SECRET), "{program}: {log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{program}: {log}");
    last.to_owned()
}

/// Starts a program that must fail at once, and returns the line that it prints.
async fn complaint(program: &str, environment: Vec<(String, String)>) -> String {
    let begun = Instant::now();
    let mut process = Process::start(program, &[], environment);
    let status = process.wait_for(BOUND).await;
    let log = process.log();
    let code = status.code();
    assert!(
        code.is_some_and(|code| code != 0),
        "{program} ended with {status}: {log}"
    );
    assert_eq!(
        log.lines().count(),
        1,
        "{program} after {:?}: {log}",
        begun.elapsed()
    );
    assert_eq!(process.output(), "", "{program}");
    assert!(!log.contains(SECRET), "{program}: {log}");
    log.trim_end().to_owned()
}
