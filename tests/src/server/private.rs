//! The private server of a test process, and its standbys.

use exports_sandbox::LocalPostgres;

use super::TestServer;

/// This process's private server, for tests that stop, copy or restart it; none with `TEST_DATABASE_URL`.
pub async fn private_server() -> Option<&'static LocalPostgres> {
    TestServer::get().await.server.private()
}

/// A standby of this process's private server. None, with a message, if that is not possible.
pub async fn private_standby() -> Option<LocalPostgres> {
    let Some(primary) = private_server().await else {
        not_run("TEST_DATABASE_URL is set, and the tests cannot create a replica of that server");
        return None;
    };
    standby_of(primary).await
}

/// A standby of a server. None, with a message, if that is not possible.
pub async fn standby_of(server: &LocalPostgres) -> Option<LocalPostgres> {
    match tokio::task::block_in_place(|| server.standby()) {
        Ok(standby) => Some(standby),
        Err(exports_sandbox::Error::InstalledProgramsOnly { .. }) => {
            not_run(
                "the private server is a container, and the tests cannot create a replica of it",
            );
            None
        }
        Err(error) => panic!("no standby: {}", chain(&error)),
    }
}

/// Reports a test that cannot run, on standard error, which the test runner does not capture here.
pub fn not_run(reason: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "NOT RUN: {reason}");
}

/// An error with its sources, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}
