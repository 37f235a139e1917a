//! What a worker that has nothing to do costs the database.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::scene::{Database, Scene};
use crate::table::{Bar, Row, Table};

/// The connections are open by then, and what is done once is done.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) async fn run(scene: &Scene, database: &Database, table: &mut Table) -> Result<()> {
    let time = Duration::from_secs(if scene.quick() { 10 } else { 30 });
    let store = scene.file_store()?;
    // Autovacuum's transactions are counted too, with workers and without.
    let without = transactions_in(scene, database, time).await?;
    let first = scene.worker(database, &store, &[]).await?;
    let second = scene.worker(database, &store, &[]).await?;
    tokio::time::sleep(SETTLE).await;
    let with = transactions_in(scene, database, time).await?;
    first.stop().await?;
    second.stop().await?;
    let each = (with - without) / 2.0;
    table.add(
        Row::new(
            6,
            "queries per second of an idle worker",
            format!("{each:.2}/s"),
        )
        .held_to(each, Bar::AtMost(2.0)),
    );
    Ok(())
}

/// Transactions per second, by the server's own count: every statement of an idle worker is one.
async fn transactions_in(scene: &Scene, database: &Database, time: Duration) -> Result<f64> {
    let (begun, before) = (Instant::now(), transactions(scene, database).await?);
    tokio::time::sleep(time).await;
    let count = transactions(scene, database).await? - before;
    // Far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    Ok(count / begun.elapsed().as_secs_f64())
}

/// All there have been. Asked from another database, so that asking is not counted.
async fn transactions(scene: &Scene, database: &Database) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1",
    )
    .bind(database.name())
    .fetch_one(scene.admin())
    .await?)
}
