//! Points 1 to 3: a large export beside `psql`, into files and S3, with one reader and several.

use anyhow::Result;

use crate::scene::Scene;
use crate::table::Table;

/// Not measured yet.
pub(crate) async fn run(_scene: &mut Scene, _table: &mut Table) -> Result<()> {
    Ok(())
}
