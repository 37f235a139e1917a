//! The reaper removes a server when its owner exits, for any reason. Also tests the variables that the owner reads.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, Uid, User};
use support::{Owner, eventually, private_parent};

#[test]
fn an_owner_that_exits_leaves_nothing() {
    let mut owner = Owner::start(|_| ());
    assert!(owner.end().success());
    assert!(owner.has_left_nothing());
}

#[test]
fn a_killed_owner_leaves_nothing() {
    let mut owner = Owner::start(|_| ());
    assert!(owner.folder.exists());
    owner.kill();
    eventually("the server and its folder are removed", || {
        owner.has_left_nothing()
    });
}

#[test]
fn an_interrupted_owner_leaves_nothing() {
    // A terminal sends the signal to the whole foreground group.
    let owner = Owner::start(|command| {
        command.process_group(0);
    });
    killpg(Pid::from_raw(owner.pid()), interrupt()).unwrap();
    eventually("the server and its folder are removed", || {
        owner.has_left_nothing()
    });
}

/// SIGINT, or SIGTERM if SIGINT is ignored, as in processes that a shell has started in the background.
fn interrupt() -> Signal {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    if ignored & (1 << (Signal::SIGINT as u32 - 1)) == 0 {
        Signal::SIGINT
    } else {
        Signal::SIGTERM
    }
}

#[test]
fn an_owner_killed_during_its_start_leaves_nothing() {
    for milliseconds in [0, 5, 10, 20, 40, 80, 150, 300, 600, 900, 1200, 1500] {
        let parent = private_parent();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut owner = Command::new(env!("CARGO_BIN_EXE_hold-postgres"));
        let mut owner = owner
            .env_remove("TEST_DATABASE_URL")
            .env("TMPDIR", parent.path())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        kill(Pid::from_raw(owner.id().cast_signed()), Signal::SIGKILL).unwrap();
        owner.wait().unwrap();
        eventually("the server and its folder are removed", || {
            support::processes_of(parent.path()).is_empty()
                && fs::read_dir(parent.path()).unwrap().next().is_none()
        });
    }
}

#[test]
fn an_unprivileged_user_can_own_a_server() {
    let public = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(public.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = public.path().join("hold-postgres");
    fs::copy(env!("CARGO_BIN_EXE_hold-postgres"), &program).unwrap();
    let mut owner = Owner::start_program(&program, |command| {
        command.current_dir("/");
        if Uid::effective().is_root() {
            let nobody = User::from_name("nobody").unwrap().unwrap();
            command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        }
    });
    owner.kill();
    eventually("the server and its folder are removed", || {
        owner.has_left_nothing()
    });
}

#[test]
fn a_temporary_folder_without_access_for_the_cluster_user_is_skipped() {
    let closed = private_parent();
    let mut owner = Owner::start(|command| {
        command.env("TMPDIR", closed.path());
    });
    // For an ordinary user, the cluster runs as the caller, who can enter the folder.
    let is_inside = owner.folder.starts_with(closed.path());
    assert_eq!(is_inside, !Uid::effective().is_root());
    assert!(owner.end().success());
}

#[test]
fn a_server_url_in_the_environment_is_used_and_no_server_is_started() {
    let url = "postgres://tester:secret@192.0.2.1:5432/main";
    let mut owner = Owner::start(|command| {
        command.env("TEST_DATABASE_URL", url);
    });
    assert_eq!(owner.url, url);
    assert_eq!(owner.folder.as_os_str(), "-");
    assert!(owner.end().success());
}

#[test]
fn an_invalid_server_url_is_an_error_and_no_server_is_started() {
    let output = Command::new(env!("CARGO_BIN_EXE_hold-postgres"))
        .env("TEST_DATABASE_URL", "localhost:5432")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("TestDatabaseUrl"));
}
