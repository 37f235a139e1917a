//! A request body as JSON: one object whose values are texts and lists of texts.
//!
//! This module checks the JSON and the field names, and collects all faults. The endpoint says how a value is parsed.

use std::fmt;

use exports_domain::{ValueSet, ValueSetError};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

use crate::error::ApiError;
use crate::faults::{Faults, unknown_names};

const UTF_8_BOM: &[u8] = b"\xef\xbb\xbf";
/// The byte order marks of UTF-16 and UTF-32. UTF-8 text cannot start with them.
const OTHER_BOMS: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"];

/// The fields of a JSON object, and the faults that were found in them. The endpoint reads its fields in their order, and
/// then calls [`Self::finish`].
#[derive(Debug)]
pub(crate) struct JsonFields {
    given: Vec<(String, Value)>,
    known: &'static [&'static str],
    pub(crate) faults: Faults,
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field<T> {
    /// Not given, or `null`.
    Absent,
    /// Given, with a fault, which is recorded.
    Faulty,
    Given(T),
}

impl<T> Field<T> {
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, if there is one and it has no fault.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Faulty => None,
        }
    }
}

impl JsonFields {
    /// Fails if the body is no JSON object. Faults of its fields are recorded.
    pub(crate) fn parse(body: &[u8], known: &'static [&'static str]) -> Result<Self, ApiError> {
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
        Ok(Self {
            given,
            known,
            faults: Faults::default(),
        })
    }

    /// A field with a text that `parse` accepts. The fault of `parse` follows the name of the field.
    pub(crate) fn text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Field<T> {
        self.field(name, |value| {
            parse(non_empty(&value).map_err(|rule| format!("{name} {rule}"))?)
                .map_err(|rule| format!("{name} {rule}"))
        })
    }

    /// A field with 1 to [`ValueSet::MAX`] distinct texts that `parse` accepts.
    pub(crate) fn list<T: Ord>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Field<ValueSet<T>> {
        self.field(name, |value| {
            let Value::Array(items) = &value else {
                return Err(format!("{name} must be a list of strings"));
            };
            let too_many = items.len() > ValueSet::<T>::MAX;
            let items = items.iter().take(ValueSet::<T>::MAX).enumerate();
            let mut faults = Vec::new();
            let mut values = Vec::new();
            for (at, item) in items {
                match non_empty(item).map_err(str::to_owned).and_then(&parse) {
                    Ok(value) => values.push(value),
                    Err(rule) => faults.push(format!("{name}[{at}] {rule}")),
                }
            }
            if too_many {
                faults.push(format!("{name} {}", ValueSetError::Size));
            }
            if !faults.is_empty() {
                return Err(faults.join("; "));
            }
            ValueSet::new(values).map_err(|error| match error {
                ValueSetError::Size => format!("{name} {error}"),
                ValueSetError::Repeated { index } => {
                    format!("{name}[{index}] is repeated: {name} {error}")
                }
            })
        })
    }

    fn field<T>(&mut self, name: &str, parse: impl FnOnce(Value) -> Result<T, String>) -> Field<T> {
        let mut values = self.given.extract_if(.., |(given, _)| given == name);
        let (first, more) = (values.next(), values.count());
        let parsed = match first {
            Some(_) if more > 0 => Err(format!("{name} must be given once")),
            None | Some((_, Value::Null)) => return Field::Absent,
            Some((_, value)) => parse(value),
        };
        self.faults.ok(parsed).map_or(Field::Faulty, Field::Given)
    }

    /// The error for all faults. Fields that were not read are unknown.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let unknown = self.given.iter().map(|(name, _)| name.as_str());
        if let Some(fault) = unknown_names("field", unknown, || match self.known {
            [] => "this operation takes none".to_owned(),
            known => format!("the known fields are {}", known.join(", ")),
        }) {
            self.faults.add(fault);
        }
        self.faults.check()
    }
}

fn non_empty(value: &Value) -> Result<&str, &'static str> {
    match value {
        Value::String(text) if text.is_empty() => Err("must not be empty"),
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err("must be a string")
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
        let read = JsonFields::parse(body.as_ref(), &["a", "b"]).and_then(|mut fields| {
            fields.text("a", any);
            fields.list("b", any);
            fields.finish()
        });
        read.unwrap_err().message()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature of a parser")]
    fn any(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn number(text: &str) -> Result<u8, String> {
        text.parse().map_err(|_| "must be a number".to_owned())
    }

    fn list(body: &str) -> Result<Option<Vec<u8>>, String> {
        let mut fields = JsonFields::parse(body.as_bytes(), &["a"]).unwrap();
        let list = fields.list("a", number).value();
        fields.finish().map_err(|error| error.message())?;
        Ok(list.map(|set| set.as_slice().to_vec()))
    }

    #[test]
    fn strings_are_parsed_and_null_counts_as_absent() {
        let body = br#" {"a": "x", "b": null} "#;
        let mut fields = JsonFields::parse(body, &["a", "b", "c"]).unwrap();
        assert_eq!(fields.text("a", any), Field::Given("x".to_owned()));
        assert_eq!(fields.text("b", any), Field::Absent);
        assert_eq!(fields.text("c", any), Field::Absent);
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn a_list_has_1_to_50_distinct_values() {
        assert_eq!(list(r#"{"a": ["7", "3"]}"#), Ok(Some(vec![3, 7])));
        assert_eq!(list(r#"{"a": null}"#), Ok(None));
        let texts = |count: u8| {
            (0..count)
                .map(|number| number.to_string())
                .collect::<Vec<_>>()
        };
        let body = |count| serde_json::json!({ "a": texts(count) }).to_string();
        assert_eq!(list(&body(50)).unwrap().unwrap().len(), 50);
        for (body, message) in [
            (body(51), "a must have 1 to 50 values"),
            (r#"{"a": []}"#.to_owned(), "a must have 1 to 50 values"),
            (r#"{"a": "7"}"#.to_owned(), "a must be a list of strings"),
            (
                r#"{"a": ["7", "8", "7"]}"#.to_owned(),
                "a[2] is repeated: a must have each value once",
            ),
            (
                r#"{"a": ["x", "1", "", 2, null]}"#.to_owned(),
                "a[0] must be a number; a[2] must not be empty; a[3] must be a string; a[4] must be a string",
            ),
        ] {
            assert_eq!(list(&body), Err(message.to_owned()), "{body}");
        }
    }

    #[test]
    fn all_faults_are_reported_in_the_order_of_the_fields() {
        assert_eq!(
            refusal(r#"{"c": 1, "b": ["", "x", "x"], "a": "", "d": 2}"#),
            "a must not be empty; b[0] must not be empty; \
             unknown fields \"c\", \"d\": the known fields are a, b"
        );
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
        assert_eq!(fields.text("a", any), Field::Given("x".to_owned()));
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
            assert_eq!(refusal(format!("{{\"a\": {wrong}}}")), "a must be a string");
        }
        assert_eq!(refusal(r#"{"a": ""}"#), "a must not be empty");
    }
}
