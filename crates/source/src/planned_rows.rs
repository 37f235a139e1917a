//! How many messages the planner expects an export to have.

use exports_domain::MessageFilter;

use crate::error::Error;
use crate::row::values;
use crate::session::SourceSession;
use crate::statements::UrlColumn;
use crate::time_slice::TimeSlice;

impl SourceSession {
    /// The planner's estimate of the number of messages of a filter. `None` if the plan does not say it.
    pub async fn planned_rows(&mut self, filter: &MessageFilter) -> Result<Option<u64>, Error> {
        let whole = TimeSlice::whole(&filter.range);
        let select = self.statements(filter)?.select(whole, UrlColumn::Null);
        let rows = self.connection.query(&format!("EXPLAIN {select}")).await?;
        let Some(first) = rows.into_iter().next() else {
            return Ok(None);
        };
        let [node] = values(first)?;
        Ok(node.as_deref().and_then(rows_of))
    }
}

/// The rows of a line such as `Sort  (cost=1.00..2.00 rows=120 width=8)`.
fn rows_of(node: &str) -> Option<u64> {
    let (_, rows) = node.rsplit_once(" rows=")?;
    rows.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_node_of_a_plan_has_the_rows() {
        let node =
            "Index Scan using messages_export on messages m  (cost=0.42..8.44 rows=1200 width=99)";
        assert_eq!(rows_of(node), Some(1200));
        assert_eq!(rows_of("Result"), None);
        assert_eq!(rows_of("Result  (cost=0.00..0.00 rows=x width=0)"), None);
    }
}
