//! The types that an operator's columns have, and the conditions that ask for their values.
//!
//! A condition has to find the same rows whatever the type, and has to be one that an index
//! answers wherever the type allows it.

use std::fmt;

use postgres_protocol::escape::escape_literal;

/// What a column's values are, domains looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Uuid,
    /// Text that equals another only if their bytes are the same.
    Text(&'static str),
    /// Text that may equal another: `char(n)`, `citext`, or a collation that folds cases.
    LooseText(String),
    /// An enum, with its labels.
    Enum(Vec<String>),
    /// A time or a date.
    Time(&'static str),
    Number(&'static str),
    Other(String),
}

const NONDETERMINISTIC: &str = ":nondeterministic";

impl ColumnType {
    /// What `catalogue.sql` says: the type's name, and an enum's labels.
    pub(crate) fn of(described: &str, labels: &str) -> Self {
        let labels = || labels.split(',').map(str::to_owned).collect();
        if let Some(loose) = described.strip_suffix(NONDETERMINISTIC) {
            return Self::LooseText(format!("{loose} with a nondeterministic collation"));
        }
        match described {
            "uuid" => Self::Uuid,
            "text" => Self::Text("text"),
            "varchar" => Self::Text("varchar"),
            "bpchar" => Self::LooseText("char".to_owned()),
            "citext" | "name" => Self::LooseText(described.to_owned()),
            "timestamptz" => Self::Time("timestamp with time zone"),
            "timestamp" => Self::Time("timestamp without time zone"),
            "date" => Self::Time("date"),
            "int2" => Self::Number("smallint"),
            "int4" => Self::Number("integer"),
            "int8" => Self::Number("bigint"),
            "numeric" => Self::Number("numeric"),
            "float4" | "float8" => Self::Number("double precision"),
            other if other.ends_with(":enum") => Self::Enum(labels()),
            other => Self::Other(other.to_owned()),
        }
    }

    /// The type of a column of our own tables.
    pub(crate) fn of_ours(column: &str) -> Self {
        match column {
            "id" | "endpoint_id" => Self::Uuid,
            "created_at" | "delivered_at" | "next_attempt_at" => Self::of("timestamptz", ""),
            "attempt_count" | "response_status" | "response_latency_ms" | "total_delivery_ms" => {
                Self::of("int4", "")
            }
            _ => Self::Text("text"),
        }
    }

    /// The condition that the column holds this text, byte for byte.
    pub(crate) fn is_text(&self, column: &str, text: &str) -> String {
        let literal = escape_literal(text);
        match self {
            Self::Text(_) => format!("{column} = {literal}"),
            Self::Enum(labels) if labels.iter().any(|label| label == text) => {
                format!("{column} = {literal}")
            }
            // For an index, and then exactly.
            Self::LooseText(_) => {
                format!("{column} = {literal} AND {column}::text COLLATE \"C\" = {literal}")
            }
            // A label that the enum has not is no error: no row holds it.
            Self::Enum(_) | Self::Uuid | Self::Time(_) | Self::Number(_) | Self::Other(_) => {
                format!("{column}::text = {literal}")
            }
        }
    }

    /// The column as what it is compared and sorted by, where its own type's order would do.
    pub(crate) fn as_uuid(&self, column: &str) -> String {
        match self {
            Self::Uuid => column.to_owned(),
            _ => format!("{column}::uuid"),
        }
    }

    /// The same for a time.
    pub(crate) fn as_time(&self, column: &str) -> String {
        match self {
            Self::Time(_) => column.to_owned(),
            _ => format!("{column}::timestamptz"),
        }
    }

    /// What a column of this name has to be, if this is something else that cannot be cast to it.
    pub(crate) fn misfit(&self, relation: &str, column: &str) -> Option<&'static str> {
        let is_text = matches!(self, Self::Text(_) | Self::LooseText(_));
        let (fits, expected) = match (relation, column) {
            (_, "id") | ("messages", "endpoint_id") => (*self == Self::Uuid || is_text, "uuid"),
            (_, "project_id" | "direction") | ("messages", "status") => {
                (is_text || matches!(self, Self::Enum(_)), "text or an enum")
            }
            (_, "created_at") | ("messages", "delivered_at" | "next_attempt_at") => (
                is_text || matches!(self, Self::Time(_)),
                "timestamp with time zone",
            ),
            (
                "messages",
                "attempt_count" | "response_status" | "response_latency_ms" | "total_delivery_ms",
            ) => (is_text || matches!(self, Self::Number(_)), "integer"),
            _ => return None,
        };
        (!fits).then_some(expected)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uuid => "uuid",
            Self::Text(name) | Self::Time(name) | Self::Number(name) => name,
            Self::LooseText(name) | Self::Other(name) => name,
            Self::Enum(_) => "an enum",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_fits_its_column_and_compares_byte_by_byte() {
        let is = |described: &str, labels: &str| {
            ColumnType::of(described, labels).is_text("m.status", "queued")
        };
        assert_eq!(is("text", ""), "m.status = 'queued'");
        assert_eq!(is("state:enum", "queued,done"), "m.status = 'queued'");
        assert_eq!(is("state:enum", "done"), "m.status::text = 'queued'");
        assert_eq!(is("int4", ""), "m.status::text = 'queued'");
        for loose in ["bpchar", "citext", "text:nondeterministic"] {
            let exact = "m.status = 'queued' AND m.status::text COLLATE \"C\" = 'queued'";
            assert_eq!(is(loose, ""), exact, "{loose}");
        }
    }

    #[test]
    fn a_column_that_cannot_be_cast_says_what_it_has_to_be() {
        let misfit =
            |described: &str, column| ColumnType::of(described, "").misfit("messages", column);
        assert_eq!(
            misfit("int8", "created_at"),
            Some("timestamp with time zone")
        );
        assert_eq!(misfit("timestamp", "created_at"), None);
        assert_eq!(misfit("bytea", "id"), Some("uuid"));
        assert_eq!(misfit("int2", "status"), Some("text or an enum"));
        assert_eq!(misfit("bool", "attempt_count"), Some("integer"));
        assert_eq!(misfit("json", "last_error"), None);
    }
}
