//! The relations that a query plan reads. Planning also locks them, which covers partitions and the
//! relations below views.

use std::collections::BTreeSet;

use exports_domain::{MessageFilter, ProjectId};
use exports_postgres::TextRow;
use postgres_protocol::escape::escape_literal;
use serde_json::Value;

use crate::catalogue::RelationOids;
use crate::error::Error;
use crate::row::values;
use crate::session::SourceSession;
use crate::statements::{Statements, UrlColumn};
use crate::time_slice::TimeSlice;

impl SourceSession {
    /// Lets the planner lock what the messages of a filter are read from, if locks by name do not
    /// cover it. Returns `false` if a relation has changed since the snapshot.
    pub(crate) async fn lock_planned_relations(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<bool, Error> {
        self.planned = None;
        if self.catalogue.locks_cover_all() && !self.locks_are_refused() {
            return Ok(true);
        }
        let planned = self.planned_relations(project, filter).await?;
        if planned.is_none() {
            tracing::info!(
                "a relation of the source changed while an export began, beginning the transaction again"
            );
        }
        self.planned = planned.map(|planned| (filter.clone(), planned));
        Ok(self.planned.is_some())
    }

    /// The relations that a plan for the filter reads. `None` if one has changed since the snapshot.
    pub(crate) async fn planned_relations(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<Option<RelationOids>, Error> {
        let select = Statements::new(project, filter, &self.catalogue)
            .select(TimeSlice::whole(&filter.range), UrlColumn::Joined);
        let explain = format!("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {select}");
        let plan = self.connection.query(&explain).await?;
        let names = relations_of(&plan)?;
        if names.is_empty() {
            return Ok(Some(RelationOids::new()));
        }
        let names: Vec<_> = names
            .iter()
            .map(|name| format!("({})", escape_literal(name)))
            .collect();
        // The functions see the current catalogue, and the query sees that of the snapshot.
        let unchanged = format!(
            "SELECT n.name, c.oid FROM (VALUES {}) n (name) JOIN pg_class c ON c.oid = to_regclass(n.name) \
             WHERE c.relfilenode = coalesce(pg_relation_filenode(c.oid), c.relfilenode)",
            names.join(", ")
        );
        let mut oids = RelationOids::new();
        for row in self.connection.query(&unchanged).await? {
            let [name, oid] = values(row)?.map(Option::unwrap_or_default);
            oids.insert(name, oid);
        }
        Ok((oids.len() == names.len()).then_some(oids))
    }
}

/// The relations in the result of `EXPLAIN (VERBOSE, FORMAT JSON)`, as names for `to_regclass`.
fn relations_of(answer: &[TextRow]) -> Result<BTreeSet<String>, Error> {
    // The server sends one row per line, or one row with all lines.
    let lines: Vec<_> = answer
        .iter()
        .filter_map(|row| row.first()?.as_deref())
        .collect();
    let plan: Value =
        serde_json::from_str(&lines.join("\n")).map_err(|_| Error::UnexpectedAnswer("EXPLAIN"))?;
    let mut relations = BTreeSet::new();
    collect(&plan, &mut relations);
    Ok(relations)
}

fn collect(value: &Value, relations: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, relations)),
        Value::Object(node) => {
            if let (Some(schema), Some(name)) = (text(node, "Schema"), text(node, "Relation Name"))
            {
                relations.insert(format!("{}.{}", quoted(schema), quoted(name)));
            }
            node.values().for_each(|value| collect(value, relations));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn text<'a>(node: &'a serde_json::Map<String, Value>, key: &str) -> Option<&'a str> {
    node.get(key)?.as_str()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_found_at_every_depth_and_quoted() {
        let plan = r#"[{"Plan": {"Node Type": "Nested Loop", "Plans": [
            {"Node Type": "Append", "Plans": [{"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "p\"1"}]},
            {"Node Type": "Function Scan", "Schema": "public", "Function Name": "f"},
            {"Node Type": "Index Scan", "Schema": "Other", "Relation Name": "endpoints"}]}}]"#;
        let answer: Vec<_> = plan
            .lines()
            .map(|line| vec![Some(line.to_owned())])
            .collect();
        let expected = ["\"Other\".\"endpoints\"", "\"public\".\"p\"\"1\""];
        let found = relations_of(&answer).unwrap();
        assert_eq!(
            found.iter().map(String::as_str).collect::<Vec<_>>(),
            expected
        );
    }
}
