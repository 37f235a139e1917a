//! Point 5: the cost of an export depends only on its rows.
//!
//! `sizes`: one project with more and more rows, also for point 4. `filters`: selective filters. `tenants`: a small project among
//! many.

mod filters;
mod sizes;
mod tenants;

use anyhow::Result;

use crate::fixture::Fixture;
use crate::measured::{Exporter, PROJECT};
use crate::rows::{self, Rows};
use crate::table::Table;

const SMALL_PRINT: &str = "\
    Outbound messages from `INSERT … SELECT`, ordered by time unless a row says otherwise, each case in its own \
    database. `messages_export` and the primary key are built after the rows; then `VACUUM (ANALYZE)` and \
    `CHECKPOINT`. A worker with default settings starts one second before each export, and writes into the file \
    store. For the rows by size, the worker first exports its last 4000000 rows, except for \"a worker's first \
    export\". Times are medians, with the minimum and the maximum. Plans are of the worker's statement for one reader, \
    executed twice, so the data is in the cache of PostgreSQL or of the system if it fits.";

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    one_project(fixture, table).await?;
    tenants::run(fixture, table).await?;
    table.note("The data of points 4 and 5", SMALL_PRINT);
    Ok(())
}

async fn one_project(fixture: &Fixture, table: &mut Table) -> Result<()> {
    let count = fixture.scaled(sizes::MOST_ROWS);
    eprintln!("growth: {count} rows of one project");
    let database = fixture.database().await?;
    fixture.project(&database, PROJECT).await?;
    let rows = Rows {
        count,
        endpoint: filters::ENDPOINTS,
        status: filters::STATUSES,
        ..Rows::default()
    };
    rows::fill(&database, rows).await?;
    let exporter = Exporter::into_files(fixture, &database)?;
    sizes::run(&exporter, table).await?;
    filters::run(&exporter, table).await?;
    drop(exporter);
    fixture.drop_database(database).await
}
