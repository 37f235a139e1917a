//! Point 6: small exports, pickup, idle workers, and claims during a long export.

mod claims;
mod idle;
mod pickup;
mod small;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use exports_domain::{Choice, Direction, MessageFilter, TimeRange, time};

use crate::fixture::{Database, Fixture};
use crate::table::Table;

/// Enough that fairness between projects matters.
pub(crate) const PROJECTS: u32 = 10;
/// Messages of each project, all in every export.
pub(crate) const MESSAGES: u32 = 100;
const LIMIT: Duration = Duration::from_mins(3);
/// Does not affect the results, which are times of the database.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    let database = fixture.database().await?;
    seed(&database).await?;
    small::run(fixture, &database, table).await?;
    pickup::run(fixture, &database, table).await?;
    idle::run(fixture, &database, table).await?;
    fixture.drop_database(database).await?;
    claims::run(fixture, table).await
}

/// Creates projects with a hundred messages each.
pub(crate) async fn seed(database: &Database) -> Result<()> {
    database
        .sql(format!(
            "INSERT INTO projects (id) SELECT 'proj_' || n FROM generate_series(0, {PROJECTS} - 1) n;
             INSERT INTO endpoints (id, project_id, direction, url, created_at)
             SELECT gen_random_uuid(), id, 'outbound', 'https://hooks.example.com/' || id, '2025-11-01'
             FROM projects;
             INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at,
                                   delivered_at, response_status, response_latency_ms)
             SELECT gen_random_uuid(), e.project_id, 'outbound', e.id, 'succeeded', 1,
                    timestamptz '2025-12-01T00:00:00Z' + n * interval '1 min',
                    timestamptz '2025-12-01T00:00:05Z' + n * interval '1 min', 200, 120
             FROM endpoints e CROSS JOIN generate_series(1, {MESSAGES}) n"
        ))
        .await?;
    database.sql("VACUUM ANALYZE").await
}

/// Waits until the queue is empty. A failed export is an error.
async fn all_ended(database: &Database) -> Result<()> {
    let begun = Instant::now();
    loop {
        let (waiting, failed): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE status IN ('pending', 'processing')),
                    count(*) FILTER (WHERE status = 'failed')
             FROM exports",
        )
        .fetch_one(database.pool())
        .await?;
        ensure!(failed == 0, "{failed} exports failed");
        if waiting == 0 {
            return Ok(());
        }
        ensure!(begun.elapsed() < LIMIT, "{waiting} exports still wait");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The project of an export, by its number.
pub(crate) fn project(number: u64) -> String {
    format!("proj_{}", number % u64::from(PROJECTS))
}

/// All messages of a project.
pub(crate) fn filter() -> Result<MessageFilter> {
    let range = TimeRange::new(
        time::parse("2025-12-01T00:00:00Z")?,
        time::parse("2025-12-02T00:00:00Z")?,
    )?;
    Ok(MessageFilter {
        range,
        direction: Direction::Outbound,
        status: Choice::Any,
        endpoint: Choice::Any,
    })
}
