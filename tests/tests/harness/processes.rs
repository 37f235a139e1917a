//! Processes: logs, signals and exit.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use exports_tests::{Process, TIMEOUT, eventually, holds_within, program};

fn shell(script: &str) -> Process {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    Process::spawn("sh", command)
}

fn is_there(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

#[tokio::test]
async fn lines_events_and_the_exit_code_of_a_process_are_captured() {
    let mut process = shell(
        r#"echo one >&2; echo '{"message":"listening","address":"x"}' >&2; echo out; printf last >&2; exit 3"#,
    );
    assert_eq!(process.wait_for_line("one").await, "one");
    assert_eq!(process.wait_for_event("listening").await["address"], "x");
    assert_eq!(process.wait().await.code(), Some(3));
    assert!(process.log().ends_with("\nlast"), "{:?}", process.log());
    assert_eq!(process.output(), "out\n");
    assert_eq!(process.events().len(), 1);
}

#[tokio::test]
#[should_panic(expected = "ended")]
async fn waiting_for_a_line_of_an_ended_process_fails_at_once() {
    let mut process = shell("echo one >&2");
    process.wait_for_line("two").await;
}

#[tokio::test]
async fn a_process_can_be_paused_and_resumed() {
    let mut process = shell("while :; do echo tick >&2; sleep 0.01; done");
    process.wait_for_line("tick").await;
    process.pause().await;
    // Wait until the lines in the pipe are read.
    let mut length = 0;
    eventually("the log stops growing", TIMEOUT, async || {
        let before = std::mem::replace(&mut length, process.log().len());
        (before == length).then_some(())
    })
    .await;
    let span = Duration::from_millis(200);
    holds_within("a paused process writes nothing", span, async || {
        process.log().len() == length
    })
    .await;
    process.resume();
    eventually("a resumed process writes again", TIMEOUT, async || {
        (process.log().len() > length).then_some(())
    })
    .await;
    process.kill().await;
    assert!(!is_there(process.id()));
}

#[tokio::test]
async fn a_dropped_process_is_killed_even_if_paused_or_ignoring_signals() {
    let mut process = shell("trap '' TERM INT; echo up >&2; while :; do sleep 0.1; done");
    process.wait_for_line("up").await;
    process.terminate();
    process.pause().await;
    let id = process.id();
    assert!(is_there(id));
    drop(process);
    assert!(!is_there(id));
}

#[test]
#[should_panic(expected = "run: cargo build --workspace --bins")]
fn a_program_that_is_not_built_is_reported_with_the_build_command() {
    let _ = program("exports-nothing");
}

#[tokio::test]
#[should_panic(expected = "has ended")]
async fn an_ended_process_cannot_be_paused() {
    let mut process = shell("exit 0");
    process.wait().await;
    process.pause().await;
}
