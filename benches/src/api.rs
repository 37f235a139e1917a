//! Point 7: reads and creates over HTTP, beside `pgbench` on the same database.

use anyhow::Result;

use crate::scene::Scene;
use crate::table::Table;

/// Not measured yet.
pub(crate) async fn run(_scene: &mut Scene, _table: &mut Table) -> Result<()> {
    Ok(())
}
