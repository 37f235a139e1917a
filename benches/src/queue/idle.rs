//! The database load of an idle worker.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::fixture::{Database, Fixture};
use crate::table::{Limit, Row, Table};

/// Enough for the start of a worker.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) async fn run(fixture: &Fixture, database: &Database, table: &mut Table) -> Result<()> {
    let time = Duration::from_secs(if fixture.quick() { 10 } else { 30 });
    let store = fixture.file_store()?;
    // The difference, because autovacuum's transactions are counted too.
    let without = transactions_in(fixture, database, time).await?;
    let first = fixture.worker(database, &store, &[]).await?;
    let second = fixture.worker(database, &store, &[]).await?;
    tokio::time::sleep(SETTLE).await;
    let with = transactions_in(fixture, database, time).await?;
    first.stop().await?;
    second.stop().await?;
    let each = (with - without) / 2.0;
    table.add(
        Row::new(
            6,
            "queries per second of an idle worker",
            format!("{each:.2}/s"),
        )
        .held_to(each, Limit::AtMost(2.0)),
    );
    Ok(())
}

/// Transactions per second in the server's statistics. Each statement of an idle worker is a transaction.
async fn transactions_in(fixture: &Fixture, database: &Database, time: Duration) -> Result<f64> {
    let (begun, before) = (Instant::now(), transactions(fixture, database).await?);
    tokio::time::sleep(time).await;
    let count = transactions(fixture, database).await? - before;
    // Far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    Ok(count / begun.elapsed().as_secs_f64())
}

/// All transactions so far. Read from another database, so that this query is not counted.
async fn transactions(fixture: &Fixture, database: &Database) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1",
    )
    .bind(database.name())
    .fetch_one(fixture.admin())
    .await?)
}
