//! Point 4: the worker's peak memory, whatever the rows look like.

use anyhow::Result;

use crate::scene::Scene;
use crate::table::Table;

/// Not measured yet.
pub(crate) async fn run(_scene: &mut Scene, _table: &mut Table) -> Result<()> {
    Ok(())
}
