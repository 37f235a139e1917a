//! The container with a stand-in for `docker`, which keeps its state in a folder and records its calls.

use super::*;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// `@PORT@` is the port of a listener of the test, which represents the server.
const STAND_IN: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
case "$1 $2" in
"version "*) [ ! -e "$here/no-engine" ] || { echo "cannot connect to the engine" >&2; exit 1; } ;;
"image inspect") [ -e "$here/image" ] ;;
"pull "*) [ ! -e "$here/no-registry" ] || { echo "no such host" >&2; exit 1; }; touch "$here/image" ;;
"run "*)
    [ ! -e "$here/no-run" ] || { echo "no space left" >&2; exit 125; }
    echo "$POSTGRES_PASSWORD" >"$here/password"; touch "$here/container"; echo 0123 ;;
"exec "*) [ ! -e "$here/ends" ] ;;
"logs "*)
    [ -e "$here/container" ] || exit 1
    echo "out of memory" >&2; rm "$here/container" ;;
"port "*) echo "127.0.0.1:@PORT@" ;;
"container inspect") [ -e "$here/container" ] ;;
"rm "*) rm "$here/container" ;;
*) exit 64 ;;
esac
"#;

struct StandIn {
    folder: TempDir,
    port: u16,
    _server: TcpListener,
}

impl StandIn {
    fn new(faults: &[&str]) -> Self {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker");
        fs::write(&program, STAND_IN.replace("@PORT@", &port.to_string())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for fault in faults {
            fs::write(folder.path().join(fault), "").unwrap();
        }
        Self {
            folder,
            port,
            _server: server,
        }
    }

    fn docker(&self) -> Result<Docker, String> {
        Docker::with_image(Some(self.folder.path().join("docker")))
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    fn has_container(&self) -> bool {
        self.folder.path().join("container").exists()
    }
}

#[test]
fn a_container_is_started_and_removed() {
    let stand_in = StandIn::new(&[]);
    let mut container = Container::start(&stand_in.docker().unwrap()).unwrap();
    assert!(stand_in.has_container());
    let url = container.address().url_for("postgres");
    let password = stand_in.read("password");
    let expected = format!(
        "postgres://postgres:{}@127.0.0.1:{}/postgres",
        password.trim(),
        stand_in.port
    );
    assert_eq!(url, expected);

    container.finish().unwrap();
    assert!(!stand_in.has_container());
    let calls = stand_in.read("calls");
    assert!(calls.contains("--publish=127.0.0.1::5432"), "{calls}");
    assert!(
        calls.contains("postgres:15-bookworm -c fsync=off"),
        "{calls}"
    );
    assert!(!calls.contains(password.trim()), "{calls}");
}

#[test]
fn a_dropped_container_is_removed() {
    let stand_in = StandIn::new(&[]);
    drop(Container::start(&stand_in.docker().unwrap()).unwrap());
    assert!(!stand_in.has_container());
}

#[test]
fn the_image_is_pulled_once() {
    let stand_in = StandIn::new(&[]);
    stand_in.docker().unwrap();
    stand_in.docker().unwrap();
    assert_eq!(stand_in.read("calls").matches("pull").count(), 1);
}

#[test]
fn an_engine_that_does_not_respond_is_an_error() {
    let error = StandIn::new(&["no-engine"]).docker().unwrap_err();
    assert!(error.contains("cannot connect to the engine"), "{error}");
}

#[test]
fn an_image_that_cannot_be_pulled_is_an_error() {
    let error = StandIn::new(&["no-registry"]).docker().unwrap_err();
    assert!(
        error.contains(IMAGE) && error.contains("no such host"),
        "{error}"
    );
}

#[test]
fn a_failed_run_reports_the_error_of_docker() {
    let stand_in = StandIn::new(&["no-run"]);
    let error = Container::start(&stand_in.docker().unwrap()).unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
}

#[test]
fn a_container_that_exits_early_fails_with_its_log() {
    let stand_in = StandIn::new(&["ends"]);
    let error = Container::start(&stand_in.docker().unwrap()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("it ended"), "{message}");
    assert!(message.contains("out of memory"), "{message}");
}
