//! Point 7: reads and creates over HTTP, compared with `pgbench` on the same database.

mod creates;
mod load;
mod pgbench;
mod reads;
mod revocation;
mod wrong_keys;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fixture::{Database, Fixture, Service};
use crate::table::Table;
use load::Answered;

/// Concurrent connections of the API and of `pgbench`.
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const PROJECT: &str = "proj_bench";

/// An API under load, and its client.
struct LoadTest<'a> {
    fixture: &'a Fixture,
    database: &'a Database,
    service: &'a Service,
    address: SocketAddr,
    key: String,
    span: Duration,
}

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    let database = fixture.database().await?;
    let key = fixture.project(&database, PROJECT).await?;
    let store = fixture.file_store()?;
    let service = fixture.api(&database, &store, &[]).await?;
    let address = service.address();
    let address = address.strip_prefix("http://").unwrap_or(address);
    let test = LoadTest {
        fixture,
        database: &database,
        service: &service,
        address: address.parse().context("the API's address")?,
        key,
        span: Duration::from_secs(if fixture.quick() { 1 } else { 5 }),
    };
    table.note(
        "The load of reads and creates",
        format!(
            "{CONNECTIONS} connections, one request after the other on each, from one thread of this program; \
             {ROUNDS} rounds of {} s, `pgbench` (2 threads) and the API in turns, medians. The API, PostgreSQL and the \
             client share the machine's cores and use the loopback interface.",
            test.span.as_secs()
        ),
    );
    reads::run(&test, table).await?;
    wrong_keys::run(&test, table).await?;
    creates::run(&test, table).await?;
    revocation::run(&test, table).await?;
    service.stop().await?;
    fixture.drop_database(database).await
}

/// p50 and p99, in milliseconds.
fn shown(answered: &Answered) -> (f64, f64) {
    let percentile = |percent| answered.latencies.percentile(percent) * 1000.0;
    (percentile(50), percentile(99))
}
