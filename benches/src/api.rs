//! Point 7: reads and creates over HTTP, beside `pgbench` on the same database.

mod creates;
mod http;
mod load;
mod pgbench;
mod reads;
mod revocation;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::scene::{Database, Scene, Service};
use crate::table::Table;
use load::Answered;

/// At the same time, of the API and of `pgbench`.
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const PROJECT: &str = "proj_bench";

/// An API under load, and who asks it.
struct Stage<'a> {
    scene: &'a Scene,
    database: &'a Database,
    service: &'a Service,
    address: SocketAddr,
    key: String,
    span: Duration,
}

pub(crate) async fn run(scene: &mut Scene, table: &mut Table) -> Result<()> {
    let database = scene.database().await?;
    let key = scene.project(&database, PROJECT).await?;
    let store = scene.file_store()?;
    let service = scene.api(&database, &store, &[]).await?;
    let address = service.address();
    let address = address.strip_prefix("http://").unwrap_or(address);
    let stage = Stage {
        scene,
        database: &database,
        service: &service,
        address: address.parse().context("the API's address")?,
        key,
        span: Duration::from_secs(if scene.quick() { 1 } else { 5 }),
    };
    table.note(
        "What reads and creates are measured with",
        format!(
            "{CONNECTIONS} connections, one request after the other on each, from one thread of this program; \
             {ROUNDS} rounds of {} s, `pgbench` (2 threads) and the API in turns, medians. The API, PostgreSQL and what \
             asks share the machine's cores, on the loopback interface: both sides pay for their client.",
            stage.span.as_secs()
        ),
    );
    reads::run(&stage, table).await?;
    creates::run(&stage, table).await?;
    revocation::run(&stage, table).await?;
    service.stop().await?;
    scene.drop_database(database).await
}

/// p50 and p99, in milliseconds.
fn shown(answered: &Answered) -> (f64, f64) {
    let percentile = |percent| answered.latencies.percentile(percent) * 1000.0;
    (percentile(50), percentile(99))
}
