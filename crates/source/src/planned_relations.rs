//! What a plan tells: the relations that it reads.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::Error;
use exports_postgres::TextRow;

/// The relations in the answer of `EXPLAIN (VERBOSE, FORMAT JSON)`, as `to_regclass` takes them.
pub(crate) fn relations_of(answer: &[TextRow]) -> Result<BTreeSet<String>, Error> {
    // A row for each line, or one with all of them.
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
