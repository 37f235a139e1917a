//! Point 8: requests that wait for exports, and event streams. Exports of a hundred rows, in ten projects.
//!
//! `posts` and `events` measure latencies, `many` what ten thousand waiters cost. `waiters` and `stream` are their
//! clients, `queued` has the exports that finish at a given rate.

mod events;
mod many;
mod posts;
mod queued;
mod stream;
mod waiters;

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::fixture::{Database, Fixture, Service, Store};
use crate::queue::{self, PROJECTS};
use crate::samples::Samples;
use crate::table::Table;

/// What all measurements of this topic use.
struct Live<'a> {
    fixture: &'a Fixture,
    database: &'a Database,
    store: Store,
    /// A key of each project, by its number.
    keys: Vec<String>,
}

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    let database = fixture.database().await?;
    queue::seed(&database).await?;
    let mut keys = Vec::new();
    for number in 0..PROJECTS {
        let project = queue::project(number.into());
        let arguments = ["key", "create", "--project", &project];
        keys.push(fixture.exportctl_admin(&database, &arguments).await?);
    }
    let live = Live {
        fixture,
        database: &database,
        store: fixture.file_store()?,
        keys,
    };
    live.latencies(table).await?;
    many::run(&live, table).await?;
    drop(live);
    fixture.drop_database(database).await
}

impl Live<'_> {
    /// With an API and two workers, default settings, and nobody else.
    async fn latencies(&self, table: &mut Table) -> Result<()> {
        let api = self.fixture.api(self.database, &self.store, &[]).await?;
        let workers = self.workers().await?;
        let address = address_of(&api)?;
        posts::run(self, address, table).await?;
        events::run(self, address, table).await?;
        for service in workers.into_iter().chain([api]) {
            service.stop().await?;
        }
        Ok(())
    }

    /// Two workers with default settings.
    async fn workers(&self) -> Result<[Service; 2]> {
        let worker = || self.fixture.worker(self.database, &self.store, &[]);
        Ok([worker().await?, worker().await?])
    }
}

fn address_of(api: &Service) -> Result<SocketAddr> {
    let address = api.address();
    let address = address.strip_prefix("http://").unwrap_or(address);
    address.parse().context("the API's address")
}

/// A percentile of seconds, in milliseconds.
fn millis(samples: &Samples, percent: usize) -> f64 {
    1000.0 * samples.percentile(percent)
}
