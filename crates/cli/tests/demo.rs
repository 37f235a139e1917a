//! The demo, with the real services (`cargo build --workspace --bins`), in a temporary folder in which
//! the tests look for leftovers.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use exports_tests::{Process, TIMEOUT, eventually, http_client};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// A folder that the user of PostgreSQL can write to.
fn public_folder() -> TempDir {
    let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).expect("its mode");
    folder
}

/// Starts a command with invalid values in every variable that it must ignore.
fn start(command: &[&str], folder: &Path) -> Process {
    let environment = [
        ("TMPDIR", folder.to_str().expect("UTF-8")),
        ("DATABASE_URL", "nonsense"),
        ("EXPORTS_SOURCE_DATABASE_URL", "nonsense"),
        ("EXPORTS_LISTEN", "nonsense"),
        ("EXPORTS_OBJECT_STORE_URL", "nonsense"),
        ("EXPORTS_LOG_FORMAT", "nonsense"),
        ("PGSSLMODE", "verify-full"),
        ("PGOPTIONS", "-c nonsense=1"),
        ("http_proxy", "http://127.0.0.1:9"),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("RUST_LOG", "off"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Process::start("exportctl", command, environment)
}

/// Waits until the folder is empty and no process uses it. Each process of the demo has the folder in its
/// arguments, its working directory or its environment.
async fn wait_until_nothing_is_left(folder: &Path) {
    eventually("all files and processes are gone", TIMEOUT, async || {
        let files = std::fs::read_dir(folder).expect("the folder").count();
        (files == 0 && processes_in(folder) == 0).then_some(())
    })
    .await;
}

fn processes_in(folder: &Path) -> usize {
    let needle = folder.to_str().expect("UTF-8");
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter(|process| process.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|process| {
            let read = |file| std::fs::read(process.path().join(file)).unwrap_or_default();
            let cwd = std::fs::read_link(process.path().join("cwd"));
            [read("cmdline"), read("environ")]
                .iter()
                .any(|text| String::from_utf8_lossy(text).contains(needle))
                || cwd.is_ok_and(|cwd| cwd.starts_with(folder))
        })
        .count()
}

#[tokio::test]
async fn the_demo_exports_every_message_and_leaves_nothing() {
    let folder = public_folder();
    let mut demo = start(&["demo", "--messages", "3000"], folder.path());
    let status = demo.wait_for(2 * TIMEOUT).await;
    assert_eq!(status.code(), Some(0), "{}", demo.log());
    // No wait is needed, because all processes of the demo end before it does.
    assert_eq!(processes_in(folder.path()), 0);
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder")
            .count(),
        0
    );
    let summary = demo.output();
    for part in [
        "outbound, export ",
        "inbound, export ",
        ", verified",
        "rows per second",
        "message_id,endpoint_id,endpoint,status",
        "message_id,inbound_endpoint_id,endpoint,status",
        "all 3,000 messages are in the two files",
        "What to try next:",
    ] {
        assert!(summary.contains(part), "{part:?} is not in: {summary}");
    }
    assert!(demo.log().starts_with("The demo:\n1. "), "{}", demo.log());
    // Without a terminal, progress is shown as lines instead of bars.
    assert!(!demo.log().contains(['\r', '\u{1b}']), "{:?}", demo.log());
    assert!(demo.log().contains("seeded 3,000 messages"));
}

#[tokio::test]
async fn the_demo_leaves_nothing_after_a_signal_at_any_time() {
    for (line, signal, code) in [
        ("PostgreSQL is running", Signal::SIGINT, Some(130)),
        ("exports-worker are running", Signal::SIGTERM, Some(143)),
        ("created outbound export", Signal::SIGINT, Some(130)),
        // After SIGKILL the reaper cleans up.
        ("created outbound export", Signal::SIGKILL, None),
    ] {
        let folder = public_folder();
        let mut demo = start(&["demo", "--messages", "200000"], folder.path());
        demo.wait_for_line(line).await;
        demo.signal(signal);
        assert_eq!(demo.wait().await.code(), code, "{signal} at {line:?}");
        wait_until_nothing_is_left(folder.path()).await;
    }
}

#[tokio::test]
async fn dev_runs_until_a_signal_and_prints_commands_that_work() {
    let folder = public_folder();
    let mut dev = start(&["dev", "--messages", "100"], folder.path());
    dev.wait_for_line("Ctrl-C stops").await;
    let lines = dev.output();
    for verb in ["# create", "# get", "# list", "# download", "# delete"] {
        assert!(lines.contains(verb), "{verb} is not in: {lines}");
    }
    let mut console = lines.lines().skip_while(|line| !line.ends_with("/console"));
    let page = console.next().expect("the console");
    let answer = http_client().get(page).send().await;
    assert_eq!(answer.expect("a response").status().as_u16(), 200, "{page}");
    let pasted = console.next().expect("its key").to_owned();
    let get = lines.lines().skip_while(|line| *line != "# get").nth(1);
    let get = get.expect("a command");
    let words: Vec<_> = get.split('\'').collect();
    let (auth, url) = (words[1], words[2].trim());
    let (_, key) = auth.split_once(": ").expect("a header");
    assert_eq!(key, format!("Bearer {pasted}"));
    let answer = http_client()
        .get(url)
        .header("authorization", key)
        .send()
        .await;
    assert_eq!(answer.expect("a response").status().as_u16(), 200, "{get}");
    dev.signal(Signal::SIGINT);
    let status = dev.wait_for(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", dev.log());
    wait_until_nothing_is_left(folder.path()).await;
}
