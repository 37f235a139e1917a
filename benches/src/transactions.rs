//! Transactions in the server's statistics. Each statement of our programs is a transaction.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::fixture::{Database, Fixture};

/// All transactions of a database so far. Autovacuum's are counted too.
#[derive(Debug)]
pub(crate) struct Count(i64);

impl Count {
    /// Read from another database, so that this query is not counted.
    pub(crate) async fn read(fixture: &Fixture, database: &Database) -> Result<Self> {
        let transactions = sqlx::query_scalar(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1",
        )
        .bind(database.name())
        .fetch_one(fixture.admin())
        .await?;
        Ok(Self(transactions))
    }

    /// The number of transactions since then.
    pub(crate) async fn since(&self, fixture: &Fixture, database: &Database) -> Result<f64> {
        let now = Self::read(fixture, database).await?;
        // Far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let count = (now.0 - self.0) as f64;
        Ok(count)
    }
}

/// Transactions per second in the next time.
pub(crate) async fn per_second(
    fixture: &Fixture,
    database: &Database,
    time: Duration,
) -> Result<f64> {
    let (begun, before) = (Instant::now(), Count::read(fixture, database).await?);
    tokio::time::sleep(time).await;
    let count = before.since(fixture, database).await?;
    Ok(count / begun.elapsed().as_secs_f64())
}
