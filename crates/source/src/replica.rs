//! A replica as the source: whose it is, and how long to wait until it has what its primary has.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use crate::error::Error;
use exports_postgres::Client;
use exports_postgres::WireConnection;

/// How long a replica may take to come up to the primary.
pub(crate) const REPLAY_LIMIT: Duration = Duration::from_secs(30);
/// How long a session that was used before waits: a new one finds out what the address leads to now.
pub(crate) const KEPT_LIMIT: Duration = Duration::from_secs(2);
/// How often the primary is asked again whether it is still the one whose position is waited for.
const SAME_PRIMARY: Duration = Duration::from_secs(1);

/// Whether the server is a replica, and whether this role may ask whose: the right to can be revoked.
const STATE: &str = "SELECT pg_is_in_recovery(), coalesce(has_function_privilege(\
     to_regprocedure('pg_catalog.pg_control_system()')::oid, 'EXECUTE'), false)";
const CLUSTER: &str = "SELECT system_identifier FROM pg_control_system()";

/// The primary of a replica that a session is on.
#[derive(Debug, Clone)]
pub(crate) struct Primary(Client);

/// How far a primary's log is filled.
struct Position {
    lsn: String,
    /// Another primary's positions are no measure for this one's.
    timeline: String,
}

impl Primary {
    /// The service's own database, if `connection` is to a replica of it.
    pub(crate) async fn of(
        connection: &mut WireConnection,
        control: &Client,
    ) -> Result<Option<Self>, Error> {
        let (is_replica, may_ask) = both(connection, STATE).await?;
        if !is_replica {
            return Ok(None);
        }
        let replicas = if may_ask {
            connection.value(CLUSTER).await?
        } else {
            None
        };
        let own = until_answered(control, Instant::now(), REPLAY_LIMIT, cluster);
        match (replicas, own.await) {
            (Some(replicas), Ok(own)) if replicas == own.to_string() => {
                return Ok(Some(Self(control.clone())));
            }
            (Some(_), Ok(_)) => tracing::warn!(
                "the source is a replica of a cluster that is not the service's own: rows that it has not \
                 replayed when an export starts are not in the file"
            ),
            (_, Err(error)) if error.is_transient() => return Err(error),
            (None, _) | (_, Err(_)) => tracing::warn!(
                "the source is a replica, and this role may not ask whose: rows that it has not replayed when \
                 an export starts are not in the file. Grant EXECUTE on pg_control_system() in both databases"
            ),
        }
        Ok(None)
    }

    /// Waits until the replica has what is committed here now. Fails at once if it is none any more:
    /// it was promoted, and will never have it.
    pub(crate) async fn wait_for_replay(
        &self,
        replica: &mut WireConnection,
        limit: Duration,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let mut position = self.position(begun, limit).await?;
        let mut asked = begun;
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
            if asked.elapsed() >= SAME_PRIMARY {
                asked = Instant::now();
                let now = self.position(begun, limit).await?;
                if now.timeline != position.timeline {
                    tracing::info!(
                        from = position.timeline,
                        to = now.timeline,
                        "the primary has changed while the replica was waited for: it has to come up to the new one"
                    );
                    position = now;
                }
            }
        }
        Ok(())
    }

    /// How far the primary is now. While it fails over, it is waited for.
    async fn position(&self, begun: Instant, limit: Duration) -> Result<Position, Error> {
        until_answered(&self.0, begun, limit, position).await
    }
}

/// Whether the replica has replayed this position.
async fn is_replayed(replica: &mut WireConnection, lsn: &str) -> Result<bool, Error> {
    let question = format!(
        "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn, false)"
    );
    match both(replica, &question).await? {
        (true, is_replayed) => Ok(is_replayed),
        (false, _) => Err(Error::Promoted),
    }
}

/// The two answers of a question.
async fn both(connection: &mut WireConnection, question: &str) -> Result<(bool, bool), Error> {
    let row = connection.query(question).await?.pop();
    match row.as_deref() {
        Some([Some(one), Some(other)]) => Ok((one == "t", other == "t")),
        _ => Err(Error::UnexpectedAnswer("a query about replication")),
    }
}

fn position(primary: &Client) -> BoxFuture<'_, Result<Position, Error>> {
    Box::pin(async {
        // Up to where the log is filled, not only written: with `synchronous_commit = off` a
        // transaction that others see already can still be on its way there. The file's name begins
        // with the timeline.
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

fn cluster(primary: &Client) -> BoxFuture<'_, Result<i64, Error>> {
    Box::pin(async {
        Ok(sqlx::query_scalar!(
            r#"SELECT (SELECT system_identifier FROM pg_control_system()) AS "cluster!""#
        )
        .fetch_one(&mut primary.connection().await?)
        .await?)
    })
}

/// Asks the primary until it answers: an attempt need not end because it fails over.
async fn until_answered<T>(
    primary: &Client,
    begun: Instant,
    limit: Duration,
    ask: for<'c> fn(&'c Client) -> BoxFuture<'c, Result<T, Error>>,
) -> Result<T, Error> {
    loop {
        match ask(primary).await {
            Err(error) if error.is_transient() && begun.elapsed() < limit => {
                tracing::debug!(%error, "the primary does not answer, it is asked again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answered => return answered,
        }
    }
}
