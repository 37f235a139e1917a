//! A value of a message that no file may contain.

use std::fmt;

use crate::filter::{Direction, MessageStatus};

/// A message that cannot be in a file, and the value that is the reason. `Display` is for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    /// The id of the message, if it has one.
    pub message: Option<String>,
    /// The column.
    pub column: &'static str,
    /// What is wrong with the value.
    pub fault: Fault,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is NULL.
    Missing,
    /// It is none of these names.
    Unknown {
        /// The value.
        value: String,
        /// The names.
        known: &'static [&'static str],
    },
    /// It is a time that is infinite or outside the years 1 to 9999.
    TimeOutOfRange,
}

impl InvalidValue {
    /// A column that is NULL.
    #[must_use]
    pub fn missing(message: Option<String>, column: &'static str) -> Self {
        let fault = Fault::Missing;
        Self {
            message,
            column,
            fault,
        }
    }

    /// A direction that is NULL or not known.
    #[must_use]
    pub fn direction(message: Option<String>, value: Option<&str>) -> Self {
        Self::unknown(message, "direction", value, Direction::NAMES)
    }

    /// A status that is NULL or not known.
    #[must_use]
    pub fn status(message: Option<String>, value: Option<&str>) -> Self {
        Self::unknown(message, "status", value, MessageStatus::NAMES)
    }

    fn unknown(
        message: Option<String>,
        column: &'static str,
        value: Option<&str>,
        known: &'static [&'static str],
    ) -> Self {
        let fault = value.map_or(Fault::Missing, |value| Fault::Unknown {
            value: value.to_owned(),
            known,
        });
        Self {
            message,
            column,
            fault,
        }
    }

    /// The sentence for the consumer: which message and which column, without the value.
    #[must_use]
    pub fn for_consumer(&self) -> String {
        let Self { column, .. } = self;
        let subject = match &self.message {
            Some(id) => format!("Message {}", printable(id)),
            None => "A message without id".to_owned(),
        };
        match self.fault {
            // Its id is what is missing.
            Fault::Missing if self.message.is_none() && *column == "message_id" => {
                "A message has no message_id.".to_owned()
            }
            Fault::Missing => format!("{subject} has no {column}."),
            Fault::Unknown { .. } => format!("{subject} has a {column} that is not known."),
            Fault::TimeOutOfRange => {
                format!("{subject} has a {column} that is infinite or outside the years 1 to 9999.")
            }
        }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(id) => write!(f, "message {}", printable(id))?,
            None => f.write_str("a message without id")?,
        }
        let column = self.column;
        match &self.fault {
            Fault::Missing => write!(f, ": {column} is NULL; expected a value"),
            Fault::Unknown { value, known } => {
                let value = quoted(value);
                write!(f, ": {column} is {value}; expected {}", one_of(known))
            }
            Fault::TimeOutOfRange => write!(
                f,
                " has a {column} that is infinite or outside the years 1 to 9999"
            ),
        }
    }
}

impl std::error::Error for InvalidValue {}

/// Quotes a text for a message: escaped, and shortened if it is long.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    let cut: String = text.chars().take(MAX_CHARS).collect();
    let ellipsis = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{ellipsis}\"", cut.escape_debug())
}

/// Names as a choice: `a, b or c`.
#[must_use]
pub fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// An id as it is if it is a UUID. An operator's view may have any text.
fn printable(id: &str) -> String {
    if uuid::Uuid::try_parse(id).is_ok() {
        id.to_owned()
    } else {
        quoted(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_reads_message_column_value_and_expectation() {
        let id = || Some("01935abc-0000-7000-8000-000000000001".to_owned());
        let direction = InvalidValue::direction(id(), Some("out\n"));
        assert_eq!(
            direction.to_string(),
            "message 01935abc-0000-7000-8000-000000000001: direction is \"out\\n\"; expected outbound or inbound"
        );
        let status = InvalidValue::status(id(), Some(&"x".repeat(1000)));
        let text = status.to_string();
        assert!(text.len() < 250 && text.contains("xxx…\"; expected queued, delivering, succeeded, pending_retry or failed_permanent"), "{text}");
        assert_eq!(
            InvalidValue::status(None, None).to_string(),
            "a message without id: status is NULL; expected a value"
        );
    }

    #[test]
    fn a_consumer_reads_no_value() {
        let unknown = InvalidValue::status(Some("weird\u{1b}".to_owned()), Some("secret"));
        assert_eq!(
            unknown.for_consumer(),
            "Message \"weird\\u{1b}\" has a status that is not known."
        );
        let missing = InvalidValue::missing(None, "message_id");
        assert_eq!(missing.for_consumer(), "A message has no message_id.");
    }
}
