//! The types of the source's columns, and conditions on their values.
//!
//! A condition selects the same rows for every type, and uses an index if the type allows it.

use std::fmt;

use postgres_protocol::escape::escape_literal;

/// The type of a column. A domain counts as the type that it is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Uuid,
    /// Text that is equal only if the bytes are equal.
    Text(&'static str),
    /// Text that can be equal with different bytes: `char(n)`, `citext`, nondeterministic collations.
    LooseText(String),
    /// An enum and its labels, in their order.
    Enum(Vec<String>),
    /// A time or a date.
    Time(&'static str),
    Number(&'static str),
    Other(String),
}

const NONDETERMINISTIC: &str = ":nondeterministic";

impl ColumnType {
    /// Parses the result of `catalogue.sql`: the name of the type, and the labels of an enum in their
    /// order, as a JSON array.
    pub(crate) fn of(described: &str, labels: &str) -> Self {
        let labels = || serde_json::from_str(labels).unwrap_or_default();
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

    /// The type of a column in our own tables.
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

    /// The condition that the column has exactly this text.
    pub(crate) fn is_text(&self, column: &str, text: &str) -> String {
        self.is_one_of(column, &[text])
    }

    /// The condition that the column has exactly one of these texts, of which there is at least one.
    pub(crate) fn is_one_of(&self, column: &str, texts: &[&str]) -> String {
        let literals: Vec<_> = texts.iter().map(|text| escape_literal(text)).collect();
        match self {
            Self::Text(_) => equals_one_of(column, &literals),
            Self::Enum(labels) if texts.iter().all(|text| labels.iter().any(|it| it == text)) => {
                equals_one_of(column, &literals)
            }
            // The first comparison uses an index, the second compares bytes.
            Self::LooseText(_) => format!(
                "{} AND {}",
                equals_one_of(column, &literals),
                equals_one_of(&format!("{column}::text COLLATE \"C\""), &literals),
            ),
            // A text that is not a label of the enum is no error: no row has it.
            Self::Enum(_) | Self::Uuid | Self::Time(_) | Self::Number(_) | Self::Other(_) => {
                equals_one_of(&format!("{column}::text"), &literals)
            }
        }
    }

    /// The column as a UUID, cast only if necessary so that an index can be used.
    pub(crate) fn as_uuid(&self, column: &str) -> String {
        match self {
            Self::Uuid => column.to_owned(),
            _ => format!("{column}::uuid"),
        }
    }

    /// The column as a time, cast only if necessary so that an index can be used.
    pub(crate) fn as_time(&self, column: &str) -> String {
        match self {
            Self::Time(_) => column.to_owned(),
            _ => format!("{column}::timestamptz"),
        }
    }

    /// The type that a column of this name needs, if this type cannot be cast to it.
    pub(crate) fn expected_type(&self, relation: &str, column: &str) -> Option<&'static str> {
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

/// The condition that an expression equals one of these literals. For one literal it is a plain comparison, which can be
/// the beginning of an index's order.
pub(crate) fn equals_one_of(expression: &str, literals: &[String]) -> String {
    match literals {
        [only] => format!("{expression} = {only}"),
        several => format!("{expression} IN ({})", several.join(", ")),
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
    fn a_text_condition_compares_exactly_for_every_type() {
        let is = |described: &str, labels: &str| {
            ColumnType::of(described, labels).is_text("m.status", "queued")
        };
        assert_eq!(is("text", ""), "m.status = 'queued'");
        assert_eq!(
            is("state:enum", r#"["queued", "done"]"#),
            "m.status = 'queued'"
        );
        assert_eq!(is("state:enum", r#"["done"]"#), "m.status::text = 'queued'");
        assert_eq!(is("int4", ""), "m.status::text = 'queued'");
        for loose in ["bpchar", "citext", "text:nondeterministic"] {
            let exact = "m.status = 'queued' AND m.status::text COLLATE \"C\" = 'queued'";
            assert_eq!(is(loose, ""), exact, "{loose}");
        }
    }

    #[test]
    fn a_condition_on_several_texts_compares_exactly_and_with_one_text_it_is_the_plain_one() {
        let is = |described: &str, labels: &str, texts: &[&str]| {
            ColumnType::of(described, labels).is_one_of("m.status", texts)
        };
        let both = &["queued", "done"];
        assert_eq!(is("text", "", &["queued"]), "m.status = 'queued'");
        assert_eq!(is("text", "", both), "m.status IN ('queued', 'done')");
        assert_eq!(
            is("state:enum", r#"["queued", "done"]"#, both),
            "m.status IN ('queued', 'done')"
        );
        assert_eq!(
            is("state:enum", r#"["done"]"#, both),
            "m.status::text IN ('queued', 'done')",
            "a text that is no label is no error"
        );
        assert_eq!(
            is("citext", "", both),
            "m.status IN ('queued', 'done') AND m.status::text COLLATE \"C\" IN ('queued', 'done')"
        );
    }

    #[test]
    fn a_column_that_cannot_be_cast_reports_the_expected_type() {
        let expected = |described: &str, column| {
            ColumnType::of(described, "").expected_type("messages", column)
        };
        assert_eq!(
            expected("int8", "created_at"),
            Some("timestamp with time zone")
        );
        assert_eq!(expected("timestamp", "created_at"), None);
        assert_eq!(expected("bytea", "id"), Some("uuid"));
        assert_eq!(expected("int2", "status"), Some("text or an enum"));
        assert_eq!(expected("bool", "attempt_count"), Some("integer"));
        assert_eq!(expected("json", "last_error"), None);
    }
}
