//! Information about a server, for `exportctl admin check`.

use chrono::{DateTime, Utc};

use crate::client::Client;
use crate::error::Error;
use crate::pool::PooledConnection;

/// A database server and a session on it.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// The server's version, `15.3` for instance.
    pub version: String,
    /// The role of the session.
    pub role: String,
    /// Whether the session is encrypted.
    pub tls: bool,
    /// The server's clock.
    pub clock: DateTime<Utc>,
    /// On a replica: the replay lag in seconds.
    pub replica_lag_s: Option<f64>,
}

impl Client {
    /// Queries the server.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        self.repeatable(&(), |connection, ()| Box::pin(query(connection)))
            .await
    }
}

async fn query(connection: &mut PooledConnection) -> Result<ServerInfo, Error> {
    Ok(sqlx::query_as!(
        ServerInfo,
        r#"
        SELECT current_setting('server_version') AS "version!", current_user::text AS "role!",
               coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS "tls!",
               clock_timestamp() AS "clock!",
               -- With everything replayed it is not behind, however long ago the last change was.
               CASE WHEN NOT pg_is_in_recovery() THEN NULL
                    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
               END::float8 AS replica_lag_s
        "#
    )
    .fetch_one(connection)
    .await?)
}
