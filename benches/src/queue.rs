//! Point 6: small exports by the hundred, pickup, idle workers, and claims beside a long export.

use anyhow::Result;

use crate::scene::Scene;
use crate::table::Table;

/// Not measured yet.
pub(crate) async fn run(_scene: &mut Scene, _table: &mut Table) -> Result<()> {
    Ok(())
}
