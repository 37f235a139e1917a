//! Processes: logs, signals, and their end.

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
async fn lines_events_and_the_end_of_a_process_are_seen() {
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
async fn waiting_for_a_line_of_a_process_that_has_ended_fails_at_once() {
    let mut process = shell("echo one >&2");
    process.wait_for_line("two").await;
}

#[tokio::test]
async fn a_process_is_paused_and_goes_on() {
    let mut process = shell("while :; do echo tick >&2; sleep 0.01; done");
    process.wait_for_line("tick").await;
    process.pause().await;
    // What was in the pipe is read by now, or soon.
    let mut length = 0;
    eventually("silence", TIMEOUT, async || {
        let before = std::mem::replace(&mut length, process.log().len());
        (before == length).then_some(())
    })
    .await;
    let span = Duration::from_millis(200);
    holds_within("it says nothing", span, async || {
        process.log().len() == length
    })
    .await;
    process.resume();
    eventually("it says something", TIMEOUT, async || {
        (process.log().len() > length).then_some(())
    })
    .await;
    process.kill().await;
    assert!(!is_there(process.id()));
}

#[tokio::test]
async fn a_dropped_process_is_gone_even_if_it_was_paused_or_ignores_signals() {
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
fn a_program_that_is_not_built_is_said_to_be_missing() {
    let _ = program("exports-nothing");
}

#[tokio::test]
#[should_panic(expected = "has ended")]
async fn a_process_that_has_ended_cannot_be_paused() {
    let mut process = shell("exit 0");
    process.wait().await;
    process.pause().await;
}
