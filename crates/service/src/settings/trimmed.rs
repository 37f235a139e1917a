//! Trims values before they are parsed: values from files and secrets often have a line break at the end.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};

const CONTROL_CHARACTER: &str = "must not contain a line break or another control character";
const QUOTES: &str = "must not have quotes around its value: remove them";

/// Removes whitespace, line breaks and a byte order mark around a value, then uses another parser. A control
/// character inside the value is refused: no setting has one, and some client libraries panic on it.
#[derive(Debug, Clone)]
pub struct Trimmed<P>(P);

/// Creates a [`Trimmed`] parser.
#[must_use]
pub fn trimmed<P: TypedValueParser>(parser: P) -> Trimmed<P> {
    Trimmed(parser)
}

impl<P: TypedValueParser> TypedValueParser for Trimmed<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        let shown = value.to_string_lossy();
        let text = shown.trim_matches(surrounds);
        let reason = if value.to_str().is_none() {
            "must be UTF-8"
        } else if text.chars().any(char::is_control) {
            CONTROL_CHARACTER
        } else if is_quoted(text) {
            QUOTES
        } else {
            return self.0.parse_ref(command, argument, OsStr::new(text));
        };
        StringValueParser::new()
            .try_map(move |_| Err::<P::Value, _>(reason))
            .parse_ref(command, argument, OsStr::new(text))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

/// Compose and environment files keep the quotes that a shell would remove.
fn is_quoted(text: &str) -> bool {
    let quoted_by =
        |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    quoted_by('"') || quoted_by('\'')
}

fn surrounds(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::os::unix::ffi::OsStrExt;

    use clap::value_parser;

    use super::*;

    fn parse<P: TypedValueParser>(parser: P, value: &str) -> Result<P::Value, Error> {
        trimmed(parser).parse_ref(&Command::new("program"), None, OsStr::new(value))
    }

    #[test]
    fn whitespace_around_a_value_is_removed() {
        for value in ["7", "7\n", " 7\r\n", "\u{feff}7\n\n", "\t7"] {
            assert_eq!(parse(value_parser!(u16), value).unwrap(), 7, "{value:?}");
            assert_eq!(parse(StringValueParser::new(), value).unwrap(), "7");
        }
        let listen = parse(str::parse::<SocketAddr>, "127.0.0.1:80\n").unwrap();
        assert_eq!(listen.port(), 80);
        assert_eq!(parse(StringValueParser::new(), "a b ").unwrap(), "a b");
    }

    #[test]
    fn quotes_around_a_value_are_rejected() {
        for value in ["\"7\"", "'7'\n", "\"\""] {
            let error = parse(StringValueParser::new(), value).unwrap_err();
            assert!(error.to_string().contains("quotes"), "{value}");
        }
        for value in ["\"", "host='a b'", "it's", ""] {
            assert_eq!(parse(StringValueParser::new(), value).unwrap(), value);
        }
    }

    #[test]
    fn control_characters_and_invalid_utf8_are_rejected() {
        for value in ["a\nb", "a\u{1}b", "a\rb\n"] {
            parse(StringValueParser::new(), value).unwrap_err();
        }
        let other = OsStr::from_bytes(b"a\xff");
        let parser = trimmed(StringValueParser::new());
        let error = parser.parse_ref(&Command::new("program"), None, other);
        assert!(error.unwrap_err().to_string().contains("UTF-8"));
    }
}
