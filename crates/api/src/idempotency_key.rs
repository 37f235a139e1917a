//! The request header `Idempotency-Key`: bare, or as a quoted string of RFC 8941.

use axum::http::header::{HeaderMap, HeaderName};

use crate::error::ApiError;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const LENGTH: &str = "be 1 to 255 visible ASCII characters";
const QUOTED: &str = "be one string in double quotes, if it begins with a quote: inside, a backslash comes only before a \
                      quote or another backslash, and nothing follows the last quote";

/// The key: 1 to 255 visible ASCII characters. `"key"` is the same key as `key`.
pub(crate) fn parse(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let invalid = |rule: &str| ApiError::Invalid(format!("Idempotency-Key must {rule}"));
    if values.next().is_some() {
        return Err(invalid("be given once"));
    }
    let text = value.to_str().map_err(|_| invalid(LENGTH))?;
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(rest) => unquote(rest).ok_or_else(|| invalid(QUOTED))?,
    };
    let is_valid = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    is_valid.then_some(Some(key)).ok_or_else(|| invalid(LENGTH))
}

/// The content of a string whose first quote is removed. `None` if it is malformed.
fn unquote(rest: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(key),
            '\\' => key.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key(values: &[&[u8]]) -> Result<Option<String>, String> {
        let headers = values
            .iter()
            .map(|value| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap()))
            .collect();
        parse(&headers).map_err(|error| error.message())
    }

    #[test]
    fn a_key_is_visible_ascii_in_one_header() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&[b"a-1~!"]), Ok(Some("a-1~!".to_owned())));
        assert_eq!(key(&[b"a\"b\\"]), Ok(Some("a\"b\\".to_owned())));
        assert!(key(&[&[b'x'; 255]]).is_ok());
        let quoted_255 = [b"\"".as_slice(), &[b'x'; 255], b"\""].concat();
        assert!(key(&[&quoted_255]).is_ok());
        let quoted_256 = [b"\"".as_slice(), &[b'x'; 256], b"\""].concat();
        for bad in [
            &b""[..],
            b"a b",
            b"a\tb",
            &[b'x'; 256],
            "é".as_bytes(),
            b"\"\"",
            b"\"a b\"",
            b"\"a\tb\"",
            &quoted_256,
        ] {
            let expected = "Idempotency-Key must be 1 to 255 visible ASCII characters";
            assert_eq!(key(&[bad]), Err(expected.to_owned()), "{bad:?}");
        }
        let twice = key(&[b"a", b"a"]);
        assert_eq!(twice, Err("Idempotency-Key must be given once".to_owned()));
    }

    #[test]
    fn a_quoted_key_is_the_same_as_the_bare_one() {
        for (quoted, bare) in [
            (r#""a-1""#, "a-1"),
            (r#""a\"b""#, r#"a"b"#),
            (r#""\\""#, r"\"),
            (r#""'a;b,c""#, "'a;b,c"),
            (r#""\"a\"""#, r#""a""#),
        ] {
            assert_eq!(key(&[quoted.as_bytes()]), Ok(Some(bare.to_owned())));
        }
        for malformed in [
            r#"""#,
            r#""a"#,
            r#""a\""#,
            r#""a\n""#,
            r#""a"b"#,
            r#""a";b=1"#,
            r#""a", "b""#,
            r#""a"b""#,
        ] {
            let message = key(&[malformed.as_bytes()]).unwrap_err();
            assert!(message.contains("double quotes"), "{malformed}: {message}");
        }
    }
}
