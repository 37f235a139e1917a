//! Asks the server, over a new connection, what it does for a session that does not answer.
//!
//! Nothing else tells a statement that takes long from a lost connection: both are silent.

use std::time::Duration;

use exports_postgres::{Client, Error as PgError, TextRow, WireConnection};
use postgres_protocol::escape::escape_literal;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::row::values;

/// The limit for the question, including the new connection.
const LIMIT: Duration = Duration::from_secs(5);

/// What identifies the server process of a session. The process id alone is not enough: it may be used
/// again, and another server behind the same address has the same ids.
///
/// The function of the view `pg_stat_activity`, which reads one process and not all.
const IDENTITY: &str = "SELECT pid, backend_start, pg_catalog.pg_postmaster_start_time() \
     FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

/// The server process of a session.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    client: Client,
    /// `None` if the server does not say.
    identity: Option<Identity>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    process_id: u32,
    started_at: String,
    server_started_at: String,
}

/// What the server does for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackendState {
    /// It works on the statement. It may wait, for a lock for instance: this is its wait event.
    Working(Option<String>),
    /// It waits for this client: for a statement, or because sent data is not acknowledged.
    WaitsForClient,
    /// The session has ended.
    Gone,
    /// No connection within the limit.
    Unreachable,
    /// The server answers but does not say it: it has no free connection, or it is another server behind
    /// the same address.
    Unknown,
}

impl Backend {
    /// The server process behind a connection of this client.
    pub(crate) async fn of(
        connection: &mut WireConnection,
        client: &Client,
    ) -> Result<Self, PgError> {
        let rows = match timeout(LIMIT, connection.query(IDENTITY)).await {
            Ok(Ok(rows)) => rows,
            // Not a PostgreSQL that has this view: sessions work without.
            Ok(Err(error)) if error.is_refused() => Vec::new(),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(PgError::timed_out(LIMIT)),
        };
        Ok(Self {
            client: client.clone(),
            identity: rows.into_iter().next().and_then(Identity::of),
        })
    }

    /// A session that the server says nothing about.
    #[cfg(test)]
    pub(crate) fn unknown(client: Client) -> Self {
        Self {
            client,
            identity: None,
        }
    }

    /// Asks what the server does for the session.
    pub(crate) async fn state(&self) -> BackendState {
        match timeout(LIMIT, self.ask()).await {
            Ok(Ok(state)) => state,
            // The server has answered, even if it refuses the connection.
            Ok(Err(error)) if error.sql_state().is_some() => {
                tracing::debug!(%error, "the source does not say what a silent session does");
                BackendState::Unknown
            }
            Ok(Err(_)) | Err(_) => BackendState::Unreachable,
        }
    }

    async fn ask(&self) -> Result<BackendState, PgError> {
        let mut connection = self.client.open_wire().await?;
        let Some(identity) = &self.identity else {
            return Ok(BackendState::Unknown);
        };
        let row = connection.query(&identity.state_query()).await?.pop();
        let Some(Ok([server_started_at, process_id, state, wait_type, wait])) = row.map(values)
        else {
            return Ok(BackendState::Unknown);
        };
        Ok(if process_id.is_some() {
            state_of(state.as_deref(), wait_type.as_deref(), wait.as_deref())
        } else if server_started_at.as_ref() == Some(&identity.server_started_at) {
            BackendState::Gone
        } else {
            BackendState::Unknown
        })
    }

    /// Ends the session on the server in the background, so that its snapshot and locks do not stay. A
    /// cancel request would not help: a session that waits for its client ignores it.
    pub(crate) fn terminate(&self) {
        let (Some(identity), Ok(runtime)) = (self.identity.clone(), Handle::try_current()) else {
            return;
        };
        let client = self.client.clone();
        runtime.spawn(async move {
            let terminating = async {
                let mut connection = client.open_wire().await?;
                connection.query(&identity.terminate_statement()).await
            };
            match timeout(LIMIT, terminating).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "an abandoned session on the source could not be ended");
                }
                Err(_) => tracing::debug!("an abandoned session on the source could not be ended"),
            }
        });
    }
}

impl Identity {
    fn of(row: TextRow) -> Option<Self> {
        let [process_id, started_at, server_started_at] = values(row).ok()?;
        Some(Self {
            process_id: process_id?.parse().ok()?,
            started_at: started_at?,
            server_started_at: server_started_at?,
        })
    }

    fn state_query(&self) -> String {
        format!(
            "SELECT pg_catalog.pg_postmaster_start_time(), a.pid, a.state, a.wait_event_type, a.wait_event \
             FROM (SELECT) one LEFT JOIN pg_catalog.pg_stat_get_activity({}) a ON a.backend_start::text = {}",
            self.process_id,
            escape_literal(&self.started_at)
        )
    }

    fn terminate_statement(&self) -> String {
        format!(
            "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_get_activity({}) a \
             WHERE a.backend_start::text = {}",
            self.process_id,
            escape_literal(&self.started_at)
        )
    }
}

fn state_of(state: Option<&str>, wait_type: Option<&str>, wait: Option<&str>) -> BackendState {
    match (state, wait_type, wait) {
        // The role may not see it.
        (None, _, _) => BackendState::Unknown,
        (_, Some("Client"), Some("ClientRead" | "ClientWrite")) => BackendState::WaitsForClient,
        (_, wait_type, wait) => {
            let wait = wait_type.zip(wait);
            BackendState::Working(wait.map(|(kind, wait)| format!("{kind}: {wait}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_works_unless_it_waits_for_its_client() {
        let working = |wait: Option<&str>| BackendState::Working(wait.map(str::to_owned));
        for (state, wait_type, wait, expected) in [
            (Some("active"), None, None, working(None)),
            (
                Some("active"),
                Some("Lock"),
                Some("relation"),
                working(Some("Lock: relation")),
            ),
            (
                Some("active"),
                Some("IPC"),
                Some("ExecuteGather"),
                working(Some("IPC: ExecuteGather")),
            ),
            (
                Some("active"),
                Some("Client"),
                Some("ClientWrite"),
                BackendState::WaitsForClient,
            ),
            (
                Some("idle"),
                Some("Client"),
                Some("ClientRead"),
                BackendState::WaitsForClient,
            ),
            (
                Some("idle in transaction"),
                Some("Client"),
                Some("ClientRead"),
                BackendState::WaitsForClient,
            ),
            // track_activities is off.
            (
                Some("disabled"),
                Some("Client"),
                Some("ClientRead"),
                BackendState::WaitsForClient,
            ),
            (Some("disabled"), None, None, working(None)),
            // The role may not see it.
            (None, None, None, BackendState::Unknown),
        ] {
            assert_eq!(
                state_of(state, wait_type, wait),
                expected,
                "{state:?} {wait:?}"
            );
        }
    }
}
