//! The reaper's pipe, signals and process group.

use super::*;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

#[test]
fn the_pipe_is_not_inherited_by_other_children() {
    let folder = tempfile::tempdir().unwrap().keep();
    let reaper = Reaper::of_folder(folder.as_os_str()).unwrap();
    let flags = fcntl(reaper.pipe.as_ref().unwrap(), FcntlArg::F_GETFD).unwrap();
    assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
    drop(reaper);
    assert!(!folder.exists());
}

#[test]
fn the_reaper_survives_the_signals_that_end_its_owner() {
    use nix::sys::signal::{Signal, killpg};
    let folder = tempfile::tempdir().unwrap().keep();
    let mut reaper = Reaper::of_folder(folder.as_os_str()).unwrap();
    let group = nix::unistd::Pid::from_raw(reaper.group());
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ] {
        killpg(group, signal).unwrap();
    }
    assert!(reaper.process.try_wait().unwrap().is_none());
    assert!(folder.exists());
    reaper.finish().unwrap();
    assert!(!folder.exists());
}

#[test]
fn members_of_the_group_end_with_the_reaper() {
    let folder = tempfile::tempdir().unwrap().keep();
    let reaper = Reaper::of_folder(folder.as_os_str()).unwrap();
    let mut member = Command::new("/bin/sh")
        .args(["-c", "trap '' TERM QUIT; while :; do sleep 1; done"])
        .process_group(reaper.group())
        .spawn()
        .unwrap();
    drop(reaper);
    assert!(!member.wait().unwrap().success());
}
