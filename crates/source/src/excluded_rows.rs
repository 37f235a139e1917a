//! Finds messages that the conditions of an export leave out without an error, although they may belong
//! into its file: the direction is NULL or unknown, the time is NULL, or there is a filter by status and
//! the status is NULL or unknown. Other values that no file may contain are found while rows are encoded.
//!
//! One statement searches in the snapshot of the export. Where constraints exclude such values, the
//! planner proves that there are none and nothing is read. That includes views that only rename columns.
//! In a table without such constraints, one range of the index `(project_id, direction, created_at, …)`
//! is read for each gap between the known directions. Otherwise, such as in a view that computes the
//! direction, the statement reads what the export has read.

use exports_domain::{Direction, InvalidValue, MessageFilter, MessageStatus, ProjectId};
use exports_postgres::TextRow;
use postgres_protocol::escape::escape_literal;

use crate::catalogue::Catalogue;
use crate::column::ColumnType;
use crate::error::Error;
use crate::row::values;
use crate::session::SourceSession;
use crate::statements::has_endpoint;
use crate::time_slice::{TimeSlice, literal};

impl SourceSession {
    /// Returns [`Error::InvalidValue`] if a message that may belong to the export is left out because of
    /// an invalid value. Call it in the transaction that reads the messages.
    pub async fn check_excluded_rows(&mut self, filter: &MessageFilter) -> Result<(), Error> {
        let statement = self.excluded_rows_statement(filter)?;
        match self.connection.query(&statement).await?.pop() {
            Some(row) => Err(excluded(row, filter)?),
            None => Ok(()),
        }
    }

    /// Whether constraints prove that [`Self::check_excluded_rows`] finds nothing, so that it costs
    /// nothing.
    pub async fn are_rows_constrained(&mut self, filter: &MessageFilter) -> Result<bool, Error> {
        let statement = self.excluded_rows_statement(filter)?;
        let plan = self.explain(&statement).await?;
        Ok(!plan.iter().any(|line| line.contains("Scan")))
    }

    pub(crate) fn excluded_rows_statement(&self, filter: &MessageFilter) -> Result<String, Error> {
        let project = self.project.as_ref().ok_or(Error::NotBegun)?;
        Ok(Search::new(&self.catalogue, project, filter).statement())
    }
}

/// The error for a row that [`SourceSession::excluded_rows_statement`] has found.
pub(crate) fn excluded(row: TextRow, filter: &MessageFilter) -> Result<Error, Error> {
    let [id, direction, created_at, status] = values(row)?;
    let direction = direction.as_deref();
    let is_known = direction.is_some_and(|name| Direction::NAMES.contains(&name));
    let invalid = match created_at {
        _ if !is_known => InvalidValue::direction(id, direction),
        None => InvalidValue::missing(id, filter.direction.time_column()),
        Some(_) => InvalidValue::status(id, status.as_deref()),
    };
    Ok(Error::InvalidValue(Box::new(invalid)))
}

/// The search for one export.
struct Search<'a> {
    catalogue: &'a Catalogue,
    filter: &'a MessageFilter,
    /// The conditions that every such row meets.
    common: String,
    is_in_time: String,
}

impl<'a> Search<'a> {
    fn new(catalogue: &'a Catalogue, project: &ProjectId, filter: &'a MessageFilter) -> Self {
        let column = |name| catalogue.column("messages", name);
        let mut common = column("project_id").is_text("m.project_id", project.as_str());
        if let Some(endpoint) = has_endpoint(catalogue, filter) {
            common = format!("{common} AND {endpoint}");
        }
        let time = column("created_at").as_time("m.created_at");
        let slice = TimeSlice::whole(&filter.range);
        let (first, last) = (literal(slice.first), literal(slice.last));
        Self {
            catalogue,
            filter,
            common,
            is_in_time: format!("{time} >= {first} AND {time} <= {last}"),
        }
    }

    /// Selects one such row, if there is any. The branches are separate: the planner proves less about
    /// conditions that are joined by OR.
    fn statement(&self) -> String {
        let is_direction = self
            .column("direction")
            .is_text("m.direction", self.filter.direction.as_str());
        let mut branches = self.unknown_directions();
        branches.push(self.scan(&format!("{is_direction} AND m.created_at IS NULL")));
        if !self.filter.status.values().is_empty() {
            let unknown = unknown(&self.column("status"), "m.status", MessageStatus::NAMES);
            let condition = format!("{is_direction} AND {} AND {unknown}", self.is_in_time);
            branches.push(self.scan(&condition));
        }
        format!("{} LIMIT 1", branches.join(" UNION ALL "))
    }

    fn unknown_directions(&self) -> Vec<String> {
        let direction = self.column("direction");
        let gaps = gaps(&direction, "m.direction", Direction::NAMES);
        if let Some(gaps) = gaps.filter(|_| self.catalogue.is_unchecked_table()) {
            let range = |gap: &String| format!("({} LIMIT 1)", self.select(&self.in_time(gap)));
            return gaps.iter().map(range).collect();
        }
        let unknown = unknown(&direction, "m.direction", Direction::NAMES);
        vec![self.scan(&self.in_time(&unknown))]
    }

    fn in_time(&self, condition: &str) -> String {
        format!("{condition} AND {}", self.is_in_time)
    }

    /// The order prevents a plan that expects to find a row soon.
    fn scan(&self, condition: &str) -> String {
        format!("({} ORDER BY 1 LIMIT 1)", self.select(condition))
    }

    fn select(&self, condition: &str) -> String {
        format!(
            "SELECT m.id::text, m.direction::text, m.created_at::text, m.status::text FROM messages m \
             WHERE {} AND {condition}",
            self.common
        )
    }

    fn column(&self, name: &str) -> ColumnType {
        self.catalogue.column("messages", name)
    }
}

/// The condition that a column is NULL or has none of these texts.
pub(crate) fn unknown(column_type: &ColumnType, column: &str, known: &[&str]) -> String {
    let compared = match column_type {
        ColumnType::Text(_) => column.to_owned(),
        _ => format!("{column}::text COLLATE \"C\""),
    };
    let known: Vec<_> = known.iter().map(|name| escape_literal(name)).collect();
    format!(
        "({column} IS NULL OR {compared} NOT IN ({}))",
        known.join(", ")
    )
}

/// The same as several conditions, each of which is one range of an index. `None` if the type has no
/// ranges: what it compares as equal can have different bytes.
fn gaps(column_type: &ColumnType, column: &str, known: &[&str]) -> Option<Vec<String>> {
    let mut names: Vec<&str> = match column_type {
        // The names differ in their first letters, so they have the same order in every collation.
        ColumnType::Text(_) => known.to_vec(),
        ColumnType::Enum(labels) => {
            let labels = labels.iter().map(String::as_str);
            labels.filter(|label| known.contains(label)).collect()
        }
        _ => return None,
    };
    if matches!(column_type, ColumnType::Text(_)) {
        names.sort_unstable();
    }
    let names: Vec<_> = names.into_iter().map(escape_literal).collect();
    let mut gaps = vec![format!("{column} IS NULL")];
    gaps.extend(names.first().map(|first| format!("{column} < {first}")));
    gaps.extend(names.windows(2).map(|pair| {
        let (lower, upper) = (&pair[0], &pair[1]);
        format!("{column} > {lower} AND {column} < {upper}")
    }));
    gaps.extend(names.last().map(|last| format!("{column} > {last}")));
    // An enum without any of the names: every value is unknown.
    if names.is_empty() {
        gaps.push(format!("{column} IS NOT NULL"));
    }
    Some(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gaps_surround_the_known_names() {
        let of = |described: &str, labels: &str| {
            gaps(
                &ColumnType::of(described, labels),
                "d",
                &["outbound", "inbound"],
            )
        };
        assert_eq!(
            of("text", "").unwrap(),
            [
                "d IS NULL",
                "d < 'inbound'",
                "d > 'inbound' AND d < 'outbound'",
                "d > 'outbound'"
            ]
        );
        assert_eq!(
            of("way:enum", r#"["outbound", "a, b", "inbound"]"#).unwrap(),
            [
                "d IS NULL",
                "d < 'outbound'",
                "d > 'outbound' AND d < 'inbound'",
                "d > 'inbound'"
            ]
        );
        assert_eq!(
            of("way:enum", r#"["out"]"#).unwrap(),
            ["d IS NULL", "d IS NOT NULL"]
        );
        assert_eq!(of("bpchar", ""), None);
    }
}
