//! A request body as JSON: one object with text values.
//!
//! This module checks the JSON and the field names. The endpoint checks the values.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

use crate::error::{ApiError, quoted};

const UTF_8_BOM: &[u8] = b"\xef\xbb\xbf";
/// The byte order marks of UTF-16 and UTF-32. UTF-8 text cannot start with them.
const OTHER_BOMS: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"];

/// The fields of a JSON object. All names are known and unique.
#[derive(Debug)]
pub(crate) struct JsonFields(Vec<(String, Value)>);

impl JsonFields {
    pub(crate) fn parse(body: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        // Some clients (.NET, PowerShell) send a byte order mark, and RFC 8259 lets a parser ignore it.
        let body = body.strip_prefix(UTF_8_BOM).unwrap_or(body);
        if OTHER_BOMS.iter().any(|bom| body.starts_with(bom)) {
            return Err(ApiError::invalid(
                "payload must be JSON in UTF-8: it starts with a byte order mark of UTF-16 or UTF-32",
            ));
        }
        if body.is_empty() {
            return Err(ApiError::invalid("payload must be valid JSON: it is empty"));
        }
        let Object(given) = serde_json::from_slice(body).map_err(|error| invalid_json(&error))?;
        let mut fields: Vec<(String, Value)> = Vec::new();
        for (name, value) in given {
            if !known.contains(&name.as_str()) {
                let (name, known) = (quoted(&name), known.join(", "));
                let message = format!("unknown field {name}: the known fields are {known}");
                return Err(ApiError::Invalid(message));
            }
            if fields.iter().any(|(seen, _)| *seen == name) {
                return Err(ApiError::Invalid(format!("{name} must be given once")));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// Removes a field and returns its text. `null` is the same as absent.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        match self.0.swap_remove(at).1 {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => {
                Err(ApiError::Invalid(format!("{name} must not be empty")))
            }
            Value::String(text) => Ok(Some(text)),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(ApiError::Invalid(format!("{name} must be a string")))
            }
        }
    }
}

/// The messages of the parser are not used, because some quote the input.
fn invalid_json(error: &serde_json::Error) -> ApiError {
    let reason = match error.classify() {
        Category::Data => ": an object is expected".to_owned(),
        Category::Syntax | Category::Eof | Category::Io => {
            format!(" (line {}, column {})", error.line(), error.column())
        }
    };
    ApiError::Invalid(format!("payload must be valid JSON{reason}"))
}

/// A JSON object that keeps repeated names. `serde_json::Map` keeps only the last value.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: impl AsRef<[u8]>) -> String {
        JsonFields::parse(body.as_ref(), &["a", "b"])
            .unwrap_err()
            .message()
    }

    #[test]
    fn strings_are_parsed_and_null_counts_as_absent() {
        let mut fields =
            JsonFields::parse(br#" {"a": "x", "b": null} "#, &["a", "b", "c"]).unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.text("b").unwrap(), None);
        assert_eq!(fields.text("c").unwrap(), None);
    }

    #[test]
    fn a_body_that_is_not_a_json_object_is_rejected() {
        for (body, rest) in [
            (&b""[..], ": it is empty"),
            (b"{", " (line 1, column 1)"),
            (b"{\"a\": \"\xff\"}", " (line 1, column 8)"),
            (b"\xef\xbb\xbf", ": it is empty"),
            (b"\xef\xbb\xbf\xef\xbb\xbf{}", " (line 1, column 1)"),
            (b" \xef\xbb\xbf{}", " (line 1, column 2)"),
            (b"{} {}", " (line 1, column 4)"),
            (b"{'a': 1}", " (line 1, column 2)"),
            (b"[\"x\"]", ": an object is expected"),
            (b"\"secret\"", ": an object is expected"),
            (b"null", ": an object is expected"),
        ] {
            assert_eq!(refusal(body), format!("payload must be valid JSON{rest}"));
        }
        assert!(refusal("[".repeat(10_000)).starts_with("payload must be valid JSON"));
        let deep = format!("{{\"a\": {}", "[".repeat(10_000));
        assert!(refusal(deep).starts_with("payload must be valid JSON"));
    }

    #[test]
    fn a_utf_8_byte_order_mark_is_ignored_and_others_are_rejected() {
        let mut fields = JsonFields::parse(b"\xef\xbb\xbf {\"a\": \"x\"}", &["a"]).unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x"));
        for other in [
            &b"\xff\xfe{\0}\0"[..],
            b"\xfe\xff\0{\0}",
            b"\xff\xfe\0\0{\0\0\0}\0\0\0",
            b"\0\0\xfe\xff\0\0\0{\0\0\0}",
        ] {
            assert!(refusal(other).contains("byte order mark of UTF-16"));
        }
    }

    #[test]
    fn unknown_and_repeated_fields_are_rejected() {
        assert_eq!(
            refusal(r#"{"a": "x", "A": "y"}"#),
            "unknown field \"A\": the known fields are a, b"
        );
        assert_eq!(
            refusal(r#"{"a": null, "a": "y"}"#),
            "a must be given once",
            "even if one of them is null"
        );
        let long = format!("{{\"{}\": 1}}", "x".repeat(5000));
        assert!(refusal(long).len() < 200);
    }

    #[test]
    fn values_must_be_non_empty_strings() {
        for wrong in ["1", "true", "[]", "{}"] {
            let body = format!("{{\"a\": {wrong}}}");
            let mut fields = JsonFields::parse(body.as_bytes(), &["a"]).unwrap();
            assert_eq!(
                fields.text("a").unwrap_err().message(),
                "a must be a string"
            );
        }
        let mut fields = JsonFields::parse(br#"{"a": ""}"#, &["a"]).unwrap();
        assert_eq!(
            fields.text("a").unwrap_err().message(),
            "a must not be empty"
        );
    }
}
