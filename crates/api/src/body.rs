//! A request's body: one JSON object whose values are texts.
//!
//! Owns the size limit, the JSON and the names; what a field's text must be is the endpoint's.

use std::fmt;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::header::EXPECT;
use futures_util::StreamExt;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

use crate::error::{ApiError, quoted};

/// The most bytes that a body may have.
pub(crate) const LIMIT: usize = 64 * 1024;

/// The byte order mark of UTF-8.
const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";
/// Of UTF-16 and UTF-32, in either byte order. None can begin a text in UTF-8.
const OTHER_MARKS: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"];

/// A body within the limit, whatever its content type.
#[derive(Debug)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, ApiError> {
        if request.body().size_hint().lower() > LIMIT as u64 {
            discard(request).await;
            return Err(ApiError::PayloadTooLarge);
        }
        let mut bytes = Vec::new();
        let mut chunks = std::mem::take(request.body_mut()).into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| ApiError::invalid("the body could not be read"))?;
            if bytes.len() + chunk.len() > LIMIT {
                *request.body_mut() = axum::body::Body::from_stream(chunks);
                discard(request).await;
                return Err(ApiError::PayloadTooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Self(bytes))
    }
}

/// Takes what a refused request still sends, within reason: whoever is cut off while sending sees
/// a broken connection instead of the answer.
pub(crate) async fn discard(request: Request) {
    const MOST: usize = 16 * 1024 * 1024;
    const LONGEST: Duration = Duration::from_secs(5);
    if request.headers().contains_key(EXPECT) {
        // It waits for the answer before it sends, and reading would tell it to go on.
        return;
    }
    let mut chunks = request.into_body().into_data_stream();
    let read = async {
        let mut taken = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            taken += chunk.len();
            if taken > MOST {
                break;
            }
        }
    };
    // Out of time is as good as at the end.
    tokio::time::timeout(LONGEST, read).await.ok();
}

/// The fields of a JSON object, each known and there once.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(crate) fn parse(body: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        // Some clients (.NET, PowerShell, files saved on Windows) begin UTF-8 with it; RFC 8259 lets
        // a parser ignore it.
        let body = body.strip_prefix(UTF_8_MARK).unwrap_or(body);
        if OTHER_MARKS.iter().any(|mark| body.starts_with(mark)) {
            return Err(ApiError::invalid(
                "payload must be JSON in UTF-8: it begins with a byte order mark of UTF-16 or UTF-32",
            ));
        }
        if body.is_empty() {
            return Err(ApiError::invalid("payload must be valid JSON: it is empty"));
        }
        let Object(given) = serde_json::from_slice(body).map_err(|error| refuse(&error))?;
        let mut fields: Vec<(String, Value)> = Vec::new();
        for (name, value) in given {
            if !known.contains(&name.as_str()) {
                let (name, known) = (quoted(&name), known.join(", "));
                let message = format!("unknown field {name}: the known ones are {known}");
                return Err(ApiError::Invalid(message));
            }
            if fields.iter().any(|(seen, _)| *seen == name) {
                return Err(ApiError::Invalid(format!("{name} must be given once")));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// A field's text; `null` is the same as absent.
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

/// Never the parser's own words: some of them quote the input.
fn refuse(error: &serde_json::Error) -> ApiError {
    let reason = match error.classify() {
        Category::Data => ": an object is expected".to_owned(),
        Category::Syntax | Category::Eof | Category::Io => {
            format!(" (line {}, column {})", error.line(), error.column())
        }
    };
    ApiError::Invalid(format!("payload must be valid JSON{reason}"))
}

/// A JSON object with every name as often as it is there: `serde_json`'s own keeps the last.
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
        Fields::parse(body.as_ref(), &["a", "b"])
            .unwrap_err()
            .message()
    }

    #[test]
    fn texts_are_read_and_null_is_absent() {
        let mut fields = Fields::parse(br#" {"a": "x", "b": null} "#, &["a", "b", "c"]).unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.text("b").unwrap(), None);
        assert_eq!(fields.text("c").unwrap(), None);
    }

    #[test]
    fn what_is_no_json_object_is_said_to_be_none() {
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
    fn a_byte_order_mark_of_utf_8_is_ignored_and_others_are_named() {
        let mut fields = Fields::parse(b"\xef\xbb\xbf {\"a\": \"x\"}", &["a"]).unwrap();
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
    fn fields_are_known_and_given_once() {
        assert_eq!(
            refusal(r#"{"a": "x", "A": "y"}"#),
            "unknown field \"A\": the known ones are a, b"
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
    fn a_value_is_a_text_that_is_not_empty() {
        for wrong in ["1", "true", "[]", "{}"] {
            let body = format!("{{\"a\": {wrong}}}");
            let mut fields = Fields::parse(body.as_bytes(), &["a"]).unwrap();
            assert_eq!(
                fields.text("a").unwrap_err().message(),
                "a must be a string"
            );
        }
        let mut fields = Fields::parse(br#"{"a": ""}"#, &["a"]).unwrap();
        assert_eq!(
            fields.text("a").unwrap_err().message(),
            "a must not be empty"
        );
    }
}
