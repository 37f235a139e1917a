//! The time from the creation of an export to its claim by an idle worker.

use std::time::Duration;

use anyhow::Result;

use super::{all_ended, filter, project};
use crate::fixture::{Database, Fixture};
use crate::table::{Limit, Row, Table};

/// Twenty per second.
const EVERY: Duration = Duration::from_millis(50);

pub(super) async fn run(fixture: &Fixture, database: &Database, table: &mut Table) -> Result<()> {
    let count = if fixture.quick() { 40 } else { 200 };
    database.sql("TRUNCATE exports, export_objects").await?;
    let store = fixture.file_store()?;
    let first = fixture.worker(database, &store, &[]).await?;
    let second = fixture.worker(database, &store, &[]).await?;
    let filter = filter()?;
    let mut trickle = tokio::time::interval(EVERY);
    for number in 0..count {
        trickle.tick().await;
        database.create_export(&project(number), &filter).await?;
    }
    all_ended(database).await?;
    first.stop().await?;
    second.stop().await?;
    // From `created_at`, which the insert sets before its commit.
    let millis: Vec<f64> = sqlx::query_scalar(
        "SELECT percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (
             ORDER BY 1000 * extract(epoch FROM started_at - created_at)::float8)
         FROM exports",
    )
    .fetch_one(database.pool())
    .await?;
    let (p50, p95) = (millis[0], millis[1]);
    table.add(
        Row::new(
            6,
            "pickup p95 in ms, 20 creates per second, two workers",
            format!("{p95:.1} ms (p50 {p50:.1} ms)"),
        )
        .held_to(p95, Limit::AtMost(50.0)),
    );
    Ok(())
}
