//! The rate of exports of a hundred rows with two workers, default settings and a full queue.

use anyhow::Result;

use super::{MESSAGES, PROJECTS, all_ended};
use crate::fixture::{Database, Fixture};
use crate::table::{Limit, Row, Table};

pub(super) async fn run(fixture: &Fixture, database: &Database, table: &mut Table) -> Result<()> {
    let count = fixture.scaled(3_000);
    let store = fixture.file_store()?;
    database
        .sql(format!(
            "INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                                  filter_start_time, filter_end_time)
             SELECT gen_random_uuid(), 'proj_' || n % {PROJECTS}, now(), now(), 'pending', 'outbound',
                    '2025-12-01', '2025-12-02'
             FROM generate_series(1, {count}) n"
        ))
        .await?;
    let first = fixture.worker(database, &store, &[]).await?;
    let second = fixture.worker(database, &store, &[]).await?;
    all_ended(database).await?;
    let per_second: f64 = sqlx::query_scalar(
        "SELECT (count(*) / extract(epoch FROM max(completed_at) - min(started_at)))::float8
         FROM exports WHERE row_count = $1",
    )
    .bind(i64::from(MESSAGES))
    .fetch_one(database.pool())
    .await?;
    let cpu = first.cpu_seconds()? + second.cpu_seconds()?;
    first.stop().await?;
    second.stop().await?;
    // Far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let cpu_each = 1000.0 * cpu / count as f64;
    table.add(
        Row::new(
            6,
            format!("exports of {MESSAGES} rows per second, two workers, {count} of them"),
            format!("{per_second:.0}/s ({cpu_each:.1} ms of the workers' CPU each)"),
        )
        .held_to(per_second, Limit::AtLeast(150.0)),
    );
    Ok(())
}
