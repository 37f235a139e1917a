//! Point 5: cost grows with the rows that are exported and with nothing else.
//!
//! `sizes` is one project by the number of its rows, for point 4 as well; `filters` picks few of
//! them; `tenants` is a small project among many.

mod filters;
mod sizes;
mod tenants;

use anyhow::Result;

use crate::measured::{Exporter, PROJECT};
use crate::rows::{self, Rows};
use crate::scene::Scene;
use crate::table::Table;

const SMALL_PRINT: &str = "\
    Outbound messages made by `INSERT … SELECT`, in the order of their times except where a row says \
    otherwise, each scene in a database of its own; `messages_export` and the primary key are built \
    after the rows; then `VACUUM (ANALYZE)` and `CHECKPOINT`. Every export is by a worker that was \
    started for it a second before, at its defaults, into the file store; where one project is exported by the \
    number of its rows, the worker has exported its last 4000000 just before, but where its first export is \
    measured. Times are medians, in brackets the least and the largest. Plans are those of the worker's statement \
    for one reader, run twice: what they read is in PostgreSQL's \
    or the system's cache as far as it fits.";

pub(crate) async fn run(scene: &mut Scene, table: &mut Table) -> Result<()> {
    one_project(scene, table).await?;
    tenants::run(scene, table).await?;
    table.note("The data of points 4 and 5", SMALL_PRINT);
    Ok(())
}

async fn one_project(scene: &Scene, table: &mut Table) -> Result<()> {
    let count = scene.scaled(sizes::MOST_ROWS);
    eprintln!("growth: {count} rows of one project");
    let database = scene.database().await?;
    scene.project(&database, PROJECT).await?;
    let rows = Rows {
        count,
        endpoint: filters::ENDPOINTS,
        status: filters::STATUSES,
        ..Rows::default()
    };
    rows::fill(&database, rows).await?;
    let exporter = Exporter::into_files(scene, &database)?;
    sizes::run(&exporter, table).await?;
    filters::run(&exporter, table).await?;
    drop(exporter);
    scene.drop_database(database).await
}
