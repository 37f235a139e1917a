//! The order in which pending exports are claimed, for their queue positions.
//!
//! While a long snapshot is open, a statement over the queue reads the dead index entries of every export that
//! has passed through it since. So the order is kept for a multiple of the time that its statement took: the
//! positions cost at most a twentieth of one connection's time, whatever is read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exports_domain::{ExportId, MAX_QUEUE_POSITION};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;

/// The order is used for this many times the duration of its statement.
const USED_FOR: u32 = 20;
/// However slow the statement is.
const MAX_AGE: Duration = Duration::from_secs(5);

/// The first exports of the queue in the order of claims.
#[derive(Debug)]
pub(crate) struct QueueOrder {
    positions: HashMap<Uuid, u16>,
    valid_until: Instant,
}

/// The latest order. One statement runs at a time; the others wait for its result.
pub(crate) type SharedQueueOrder = Arc<Mutex<Option<Arc<QueueOrder>>>>;

impl QueueOrder {
    /// The position of a pending export. One that is not due yet, or was created since, comes after all others.
    pub(crate) fn position(&self, id: ExportId) -> u16 {
        let known = self.positions.get(&id.0).copied();
        known.unwrap_or_else(|| {
            let after_all = u16::try_from(self.positions.len() + 1);
            after_all.map_or(MAX_QUEUE_POSITION, |it| it.min(MAX_QUEUE_POSITION))
        })
    }
}

impl Database {
    /// The order of the queue, or a recent one.
    pub(crate) async fn queue_order(&self) -> Result<Arc<QueueOrder>, Error> {
        let mut latest = self.shared_queue_order().lock().await;
        let begun = Instant::now();
        if let Some(order) = &*latest
            && begun < order.valid_until
        {
            return Ok(Arc::clone(order));
        }
        let ids = self.read_queue_order().await?;
        let age = (begun.elapsed() * USED_FOR).min(MAX_AGE);
        let order = Arc::new(QueueOrder {
            positions: ids.into_iter().zip(1..).collect(),
            valid_until: Instant::now() + age,
        });
        *latest = Some(Arc::clone(&order));
        Ok(order)
    }

    /// The order of a claim: by turn, which is the number of exports that the project would then have running,
    /// and then by the time from which the export is due.
    ///
    /// It ranks the oldest 2,000 pending exports and the first of each project, at most 4,000 of 1,000 projects. So the
    /// positions are exact for all but very long queues.
    async fn read_queue_order(&self) -> Result<Vec<Uuid>, Error> {
        self.repeatable(&(), |connection, ()| {
            Box::pin(async move {
                Ok(sqlx::query_scalar!(
                    r#"
                    WITH RECURSIVE queued AS (
                        -- The projects with pending exports. A loose index scan: one probe for each.
                        (SELECT e.project_id, 1 AS number FROM exports e WHERE e.status = 'pending'
                         ORDER BY e.project_id LIMIT 1)
                        UNION ALL
                        SELECT later.project_id, queued.number + 1 FROM queued CROSS JOIN LATERAL (
                            SELECT e.project_id FROM exports e
                            WHERE e.status = 'pending' AND e.project_id > queued.project_id
                            ORDER BY e.project_id LIMIT 1) later
                        WHERE queued.number < 1000
                    ), due AS (
                        SELECT head.* FROM queued CROSS JOIN LATERAL (
                            SELECT e.id, e.project_id, e.due_at FROM exports e
                            WHERE e.status = 'pending' AND e.project_id = queued.project_id
                              AND e.due_at <= (SELECT clock_timestamp())
                            ORDER BY e.due_at, e.id LIMIT 4000 / (SELECT count(*) FROM queued)) head
                        UNION
                        (SELECT e.id, e.project_id, e.due_at FROM exports e
                         WHERE e.pending_since >= '-infinity' AND e.due_at <= (SELECT clock_timestamp())
                         ORDER BY e.pending_since, e.project_id, e.due_at LIMIT 2000)
                    ), running AS (
                        SELECT project_id, count(*) AS exports FROM exports
                        WHERE processing_since >= '-infinity' AND lease_expires_at > clock_timestamp()
                        GROUP BY project_id
                    )
                    SELECT due.id AS "id!"
                    FROM (SELECT id, project_id, due_at,
                                 row_number() OVER (PARTITION BY project_id ORDER BY due_at, id) AS place FROM due) due
                    LEFT JOIN running ON running.project_id = due.project_id
                    ORDER BY coalesce(running.exports, 0) + due.place, due.due_at
                    LIMIT 1000
                    "#,
                )
                .fetch_all(connection)
                .await?)
            })
        })
        .await
    }
}
