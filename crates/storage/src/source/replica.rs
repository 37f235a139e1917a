//! A replica as the source: whose it is, and how long to wait until it has what its primary has.

use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::database::Database;
use crate::error::Error;

/// How long a replica may take to come up to the primary.
const REPLAY_LIMIT: Duration = Duration::from_secs(30);

/// The primary of a replica that a session is on.
#[derive(Debug, Clone)]
pub(super) struct Primary(Database);

impl Primary {
    /// The service's own database, if `connection` is to a replica of it.
    pub(super) async fn of(
        connection: &mut Connection,
        control: &Database,
    ) -> Result<Option<Self>, Error> {
        let source = "SELECT system_identifier FROM pg_control_system() WHERE pg_is_in_recovery()";
        let Some(cluster_of_replica) = connection.value(source).await? else {
            return Ok(None);
        };
        let cluster = sqlx::query_scalar!(
            r#"SELECT (SELECT system_identifier FROM pg_control_system()) AS "cluster!""#
        )
        .fetch_one(&control.pool)
        .await?;
        if cluster.to_string() == cluster_of_replica {
            return Ok(Some(Self(control.clone())));
        }
        tracing::warn!(
            "the source is a replica of a cluster that is not the service's own: rows that it has not \
             replayed when an export starts are not in the file"
        );
        Ok(None)
    }

    /// Waits until the replica has what is committed here now.
    pub(super) async fn wait_for_replay(&self, replica: &mut Connection) -> Result<(), Error> {
        // Up to where the log is filled, not only written: with `synchronous_commit = off` a
        // transaction that others see already can still be on its way there.
        let lsn = sqlx::query_scalar!(r#"SELECT pg_current_wal_insert_lsn()::text AS "lsn!""#)
            .fetch_one(&self.0.pool)
            .await?;
        // No longer a replica, it replays nothing.
        let is_replayed =
            format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn, true)");
        let begun = Instant::now();
        let mut pause = Duration::from_millis(5);
        while !replica.is_true(&is_replayed).await? {
            if begun.elapsed() >= REPLAY_LIMIT {
                return Err(Error::ReplicaBehind {
                    lsn,
                    waited_s: REPLAY_LIMIT.as_secs(),
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
        Ok(())
    }
}
