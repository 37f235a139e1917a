//! What a database says of itself, for whoever checks an installation.

use chrono::{DateTime, Utc};

use crate::database::Database;
use crate::error::Error;
use crate::pool::PooledConnection;
use crate::source::Source;

/// A database server and our session on it.
#[derive(Debug, Clone)]
pub struct DatabaseFacts {
    /// The server's version, `15.3` for instance.
    pub version: String,
    /// The role of the session.
    pub role: String,
    /// Whether the session is encrypted.
    pub tls: bool,
    /// The server's clock.
    pub clock: DateTime<Utc>,
    /// If it is a replica: by how many seconds it is behind what it has received.
    pub replica_lag_s: Option<f64>,
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as `PostgreSQL` writes it.
    pub type_name: String,
}

impl Database {
    /// Asks the service's own database.
    pub async fn facts(&self) -> Result<DatabaseFacts, Error> {
        self.repeatable(&(), |connection, ()| Box::pin(facts(connection)))
            .await
    }
}

impl Source {
    /// Asks the database of the messages.
    pub async fn facts(&self) -> Result<DatabaseFacts, Error> {
        self.database.facts().await
    }

    /// The columns of `messages` or `endpoints`; empty if there is no such relation.
    pub async fn columns(&self, relation: &str) -> Result<Vec<Column>, Error> {
        Ok(sqlx::query_as!(
            Column,
            r#"
            SELECT attname::text AS "name!", format_type(atttypid, NULL) AS "type_name!"
            FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
            ORDER BY attnum
            "#,
            relation,
        )
        .fetch_all(&mut self.database.connection().await?)
        .await?)
    }
}

async fn facts(connection: &mut PooledConnection) -> Result<DatabaseFacts, Error> {
    Ok(sqlx::query_as!(
        DatabaseFacts,
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
