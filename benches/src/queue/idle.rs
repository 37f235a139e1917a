//! The database load of an idle worker.

use std::time::Duration;

use anyhow::Result;

use crate::fixture::{Database, Fixture};
use crate::table::{Limit, Row, Table};
use crate::transactions;

/// Enough for the start of a worker.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) async fn run(fixture: &Fixture, database: &Database, table: &mut Table) -> Result<()> {
    let time = Duration::from_secs(if fixture.quick() { 10 } else { 30 });
    let store = fixture.file_store()?;
    // The difference, because autovacuum's transactions are counted too.
    let without = transactions::per_second(fixture, database, time).await?;
    let first = fixture.worker(database, &store, &[]).await?;
    let second = fixture.worker(database, &store, &[]).await?;
    tokio::time::sleep(SETTLE).await;
    let with = transactions::per_second(fixture, database, time).await?;
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
