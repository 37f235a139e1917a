//! A private cluster: start, stop, restart, standby, removal.

mod support;

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use exports_sandbox::{LocalPostgres, Shutdown};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{TIMEOUT, eventually, postmaster, private_parent, processes_of, sql};

#[test]
fn a_stopped_server_leaves_nothing() {
    let postgres = LocalPostgres::start().unwrap();
    assert_eq!(sql(&postgres, "SELECT 1 + 1"), "2");
    let folder = postgres.folder().unwrap().to_owned();
    let port = postgres.port();
    assert!(!processes_of(&folder).is_empty());

    postgres.stop().unwrap();
    assert_eq!(processes_of(&folder), [] as [String; 0]);
    assert!(!folder.exists());
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn a_dropped_server_with_open_sessions_leaves_nothing() {
    let postgres = LocalPostgres::start().unwrap();
    let folder = postgres.folder().unwrap().to_owned();
    let mut session = Command::new(postgres.program("psql").unwrap())
        .args([&postgres.url(), "-c", "SELECT pg_sleep(600)"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("the session is connected", || {
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        sql(&postgres, sleeping) == "1"
    });

    drop(postgres);
    assert_eq!(processes_of(&folder), [] as [String; 0]);
    assert!(!folder.exists());
    assert!(!session.wait().unwrap().success());
}

#[test]
fn other_children_of_the_owner_do_not_delay_the_removal() {
    let postgres = LocalPostgres::start().unwrap();
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        drop(postgres);
        done.send(()).unwrap();
    });
    let result = is_done.recv_timeout(TIMEOUT);
    child.kill().unwrap();
    child.wait().unwrap();
    result.unwrap();
}

#[test]
fn the_server_uses_utf8_and_requires_a_password() {
    let postgres = LocalPostgres::start().unwrap();
    let settings = "SELECT current_setting('server_encoding'), current_setting('wal_level'), \
                    current_setting('max_connections'), current_setting('password_encryption'), \
                    (SELECT datcollate FROM pg_database WHERE datname = 'postgres'), \
                    (SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256')";
    let expected = "UTF8|replica|300|scram-sha-256|C|0";
    assert_eq!(sql(&postgres, settings), expected);
    let wrong = format!(
        "postgres://postgres:wrong@127.0.0.1:{}/postgres",
        postgres.port()
    );
    let output = Command::new(postgres.program("psql").unwrap())
        .args([&wrong, "-c", "SELECT 1"])
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn a_restart_keeps_the_data_and_the_port() {
    let postgres = LocalPostgres::start().unwrap();
    sql(&postgres, "CREATE TABLE kept AS SELECT 7 AS n");
    let url = postgres.url();
    for how in [Shutdown::Fast, Shutdown::Immediate] {
        postgres.stop_server(how).unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, postgres.port())).is_err());
        postgres.stop_server(how).unwrap();
        postgres.start_server().unwrap();
        postgres.start_server().unwrap();
        assert_eq!(postgres.url(), url);
        assert_eq!(sql(&postgres, "SELECT n FROM kept"), "7");
    }
    let started = "SELECT pg_postmaster_start_time()";
    let before = sql(&postgres, started);
    postgres.restart(Shutdown::Fast).unwrap();
    assert_ne!(sql(&postgres, started), before);
}

#[test]
fn a_crashed_server_can_be_started_again() {
    let postgres = LocalPostgres::start().unwrap();
    let crashed = postmaster(&postgres);
    kill(Pid::from_raw(crashed), Signal::SIGKILL).unwrap();
    // The new server refuses to start until the children of the crashed one have ended.
    eventually("a new server runs", || {
        postgres.start_server().is_ok() && postmaster(&postgres) != crashed
    });
    assert_eq!(sql(&postgres, "SELECT 1"), "1");
}

#[test]
fn a_standby_replicates_and_can_be_paused() {
    let postgres = LocalPostgres::start().unwrap();
    sql(&postgres, "CREATE TABLE copied AS SELECT 1 AS n");
    let standby = postgres.standby().unwrap();
    assert_ne!(standby.port(), postgres.port());
    assert_eq!(sql(&standby, "SELECT pg_is_in_recovery()"), "t");
    let rows = || sql(&standby, "SELECT count(*) FROM copied");
    assert_eq!(rows(), "1");

    sql(&standby, "SELECT pg_wal_replay_pause()");
    eventually("replay is paused", || {
        sql(&standby, "SELECT pg_get_wal_replay_pause_state()") == "paused"
    });
    sql(&postgres, "INSERT INTO copied VALUES (2)");
    let target = sql(&postgres, "SELECT pg_current_wal_lsn()");
    let received = format!("SELECT pg_last_wal_receive_lsn() >= '{target}'");
    eventually("the WAL is received", || sql(&standby, &received) == "t");
    assert_eq!(rows(), "1");
    sql(&standby, "SELECT pg_wal_replay_resume()");
    eventually("the row is replayed", || rows() == "2");

    postgres.restart(Shutdown::Fast).unwrap();
    sql(&postgres, "INSERT INTO copied VALUES (3)");
    eventually("the standby replicates again", || rows() == "3");
    let folder = standby.folder().unwrap().to_owned();
    standby.stop().unwrap();
    assert!(!folder.exists());
    assert_eq!(sql(&postgres, "SELECT count(*) FROM copied"), "3");
}

#[test]
fn concurrently_started_servers_have_separate_ports() {
    let servers: Vec<_> = (0..3)
        .map(|_| thread::spawn(|| LocalPostgres::start().unwrap()))
        .collect();
    let servers: Vec<_> = servers.into_iter().map(|s| s.join().unwrap()).collect();
    for server in &servers {
        let port = sql(server, "SHOW port");
        assert_eq!(port, server.port().to_string());
    }
}

#[test]
fn a_long_temporary_path_and_inherited_variables_are_tolerated() {
    let parent = private_parent();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let long = parent.path().join("x".repeat(120));
    fs::create_dir(&long).unwrap();
    let mut owner = support::Owner::start(|command| {
        command.env("TMPDIR", &long).envs([
            ("PGDATA", "/nonexistent"),
            ("PGPORT", "1"),
            ("PGOPTIONS", "-c nonsense=on"),
            ("DATABASE_URL", "postgres://nobody@192.0.2.1/untouched"),
            ("LC_ALL", "xx_XX.UTF-8"),
        ]);
    });
    assert_eq!(owner.folder.parent(), Some(long.as_path()));
    assert!(owner.url.contains("@127.0.0.1:"), "{}", owner.url);
    owner.kill();
    eventually("the server and its folder are removed", || {
        owner.has_left_nothing()
    });
}
