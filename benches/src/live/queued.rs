//! Exports that wait in the queue until the benchmark lets them finish at a given rate.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use tokio::time::interval;
use uuid::Uuid;

use crate::fixture::Database;
use crate::queue::PROJECTS;

/// How many exports become due every [`EVERY`]: a hundred per second.
const TOGETHER: usize = 5;
const EVERY: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_mins(10);
/// Does not affect the results, which are times of the database.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An export that is not due yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) id: Uuid,
    /// The number of its project.
    pub(super) project: usize,
}

/// Queues this many exports, due tomorrow.
pub(super) async fn queue(database: &Database, count: usize) -> Result<Vec<Queued>> {
    let rows: Vec<(Uuid, i32)> = sqlx::query_as(
        "WITH new AS (
             INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                                  filter_start_time, filter_end_time)
             SELECT gen_random_uuid(), 'proj_' || n % $1, now(), now() + interval '1 day', 'pending', 'outbound',
                    '2025-12-01', '2025-12-02'
             FROM generate_series(1, $2) n
             RETURNING id, project_id)
         SELECT id, substr(project_id, 6)::int FROM new",
    )
    .bind(i32::try_from(PROJECTS)?)
    .bind(i32::try_from(count)?)
    .fetch_all(database.pool())
    .await?;
    database.sql("VACUUM ANALYZE exports").await?;
    let queued = rows.into_iter().map(|(id, project)| {
        Ok(Queued {
            id,
            project: usize::try_from(project)?,
        })
    });
    queued.collect()
}

/// Makes the exports due, a hundred per second, and waits until workers have completed all of them.
pub(super) async fn finish(database: &Database, queued: &[Queued]) -> Result<()> {
    let ids: Vec<_> = queued.iter().map(|queued| queued.id).collect();
    let mut ticks = interval(EVERY);
    for together in ids.chunks(TOGETHER) {
        ticks.tick().await;
        sqlx::query(
            "WITH due AS (UPDATE exports SET due_at = clock_timestamp() WHERE id = ANY ($1) RETURNING id)
             SELECT pg_notify('exports_pending', '') FROM (SELECT count(*) FROM due) counted",
        )
        .bind(together)
        .execute(database.pool())
        .await?;
    }
    let begun = Instant::now();
    loop {
        let completed: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM exports WHERE id = ANY ($1) AND status = 'completed'",
        )
        .bind(&ids)
        .fetch_one(database.pool())
        .await?;
        let missing = ids.len() - usize::try_from(completed)?;
        if missing == 0 {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "{missing} exports are not completed"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `completed_at` of exports.
pub(super) async fn completion_times(
    database: &Database,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, DateTime<Utc>)>> {
    let times =
        sqlx::query_as("SELECT id, completed_at FROM exports WHERE id = ANY ($1)").bind(ids);
    Ok(times.fetch_all(database.pool()).await?)
}
