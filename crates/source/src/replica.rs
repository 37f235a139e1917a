//! A replica as the source: detects its primary, and waits for replication.

use std::time::{Duration, Instant};

use exports_postgres::Client;
use futures_util::future::BoxFuture;

use crate::connection::SourceConnection;
use crate::error::Error;

/// The limit for a replica to replay the position of its primary.
pub(crate) const REPLAY_LIMIT: Duration = Duration::from_secs(30);
/// The limit for a reused session. It is short, because a new session may reach another server.
pub(crate) const REUSED_REPLAY_LIMIT: Duration = Duration::from_secs(2);
/// How often the wait checks whether the primary has changed.
const PRIMARY_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the server is a replica, and whether this role may execute `pg_control_system()`.
const STATE: &str = "SELECT pg_is_in_recovery(), coalesce(has_function_privilege(\
     to_regprocedure('pg_catalog.pg_control_system()')::oid, 'EXECUTE'), false)";
const SYSTEM_IDENTIFIER: &str = "SELECT system_identifier FROM pg_control_system()";

/// The primary of a session's replica.
#[derive(Debug, Clone)]
pub(crate) struct Primary(Client);

/// The end of a primary's WAL.
struct Position {
    lsn: String,
    /// Positions of different timelines cannot be compared.
    timeline: String,
}

impl Primary {
    /// The service's database `control`, if `connection` is to a replica of it.
    pub(crate) async fn of(
        connection: &mut SourceConnection,
        control: &Client,
    ) -> Result<Option<Self>, Error> {
        let (is_replica, may_ask) = two_booleans(connection, STATE).await?;
        if !is_replica {
            return Ok(None);
        }
        let replicas = if may_ask {
            connection.value(SYSTEM_IDENTIFIER).await?
        } else {
            None
        };
        let own = retry_until_answered(control, Instant::now(), REPLAY_LIMIT, system_identifier);
        match (replicas, own.await) {
            (Some(replicas), Ok(own)) if replicas == own.to_string() => {
                return Ok(Some(Self(control.clone())));
            }
            (Some(_), Ok(_)) => tracing::warn!(
                "the source is a replica of another cluster than the service's database, so exports cannot \
                 wait for replication: rows that are not replayed when an export starts are missing from its file"
            ),
            (_, Err(error)) if error.is_transient() => return Err(error),
            (None, _) | (_, Err(_)) => tracing::warn!(
                "the source is a replica, but the role may not identify its cluster, so exports cannot wait for \
                 replication: rows that are not replayed when an export starts are missing from its file. \
                 GRANT EXECUTE ON FUNCTION pg_control_system() in both databases"
            ),
        }
        Ok(None)
    }

    /// Waits until the replica has replayed everything that is committed on the primary now. Fails
    /// immediately if the replica was promoted, because then it never will.
    pub(crate) async fn wait_for_replay(
        &self,
        replica: &mut SourceConnection,
        limit: Duration,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let mut position = self.position(begun, limit).await?;
        let mut checked = begun;
        let mut pause = Duration::from_millis(5);
        while !is_replayed(replica, &position.lsn).await? {
            if begun.elapsed() >= limit {
                return Err(Error::ReplicaBehind {
                    lsn: position.lsn,
                    waited_s: limit.as_secs(),
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
            if checked.elapsed() >= PRIMARY_CHECK_INTERVAL {
                checked = Instant::now();
                let now = self.position(begun, limit).await?;
                if now.timeline != position.timeline {
                    tracing::info!(
                        from = position.timeline,
                        to = now.timeline,
                        "the primary changed during the wait for replication, waiting for the position of the new primary"
                    );
                    position = now;
                }
            }
        }
        Ok(())
    }

    /// The primary's current position. Retries during a failover.
    async fn position(&self, begun: Instant, limit: Duration) -> Result<Position, Error> {
        retry_until_answered(&self.0, begun, limit, position).await
    }
}

/// Whether the replica has replayed this position.
async fn is_replayed(replica: &mut SourceConnection, lsn: &str) -> Result<bool, Error> {
    let query = format!(
        "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn, false)"
    );
    match two_booleans(replica, &query).await? {
        (true, is_replayed) => Ok(is_replayed),
        (false, _) => Err(Error::Promoted),
    }
}

/// The result of a query for two booleans.
async fn two_booleans(
    connection: &mut SourceConnection,
    query: &str,
) -> Result<(bool, bool), Error> {
    let row = connection.query(query).await?.pop();
    match row.as_deref() {
        Some([Some(one), Some(other)]) => Ok((one == "t", other == "t")),
        _ => Err(Error::UnexpectedAnswer("a query about replication")),
    }
}

fn position(primary: &Client) -> BoxFuture<'_, Result<Position, Error>> {
    Box::pin(async {
        // The insert position, not the write position: with `synchronous_commit = off`, a visible
        // transaction may not be written yet. The name of a WAL file begins with the timeline.
        let row = sqlx::query!(
            r#"SELECT lsn::text AS "lsn!", left(pg_walfile_name(lsn), 8) AS "timeline!"
           FROM pg_current_wal_insert_lsn() lsn"#
        )
        .fetch_one(&mut primary.connection().await?)
        .await?;
        Ok(Position {
            lsn: row.lsn,
            timeline: row.timeline,
        })
    })
}

fn system_identifier(primary: &Client) -> BoxFuture<'_, Result<i64, Error>> {
    Box::pin(async {
        Ok(sqlx::query_scalar!(
            r#"SELECT (SELECT system_identifier FROM pg_control_system()) AS "cluster!""#
        )
        .fetch_one(&mut primary.connection().await?)
        .await?)
    })
}

/// Retries a query on the primary, so that an export survives a failover.
async fn retry_until_answered<T>(
    primary: &Client,
    begun: Instant,
    limit: Duration,
    query: for<'c> fn(&'c Client) -> BoxFuture<'c, Result<T, Error>>,
) -> Result<T, Error> {
    loop {
        match query(primary).await {
            Err(error) if error.is_transient() && begun.elapsed() < limit => {
                tracing::debug!(%error, "the primary is not available, retrying");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answered => return answered,
        }
    }
}
