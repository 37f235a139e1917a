//! Strict parsing of query parameters: unknown, repeated and empty parameters are rejected, so that a misspelled filter is an
//! error.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use crate::error::{ApiError, quoted};

/// The query parameters of a request.
#[derive(Debug)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn parse(raw: Option<&'a str>, known: &[&str]) -> Result<Self, ApiError> {
        let mut parameters: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                return Err(ApiError::Invalid(unknown(&name, known)));
            }
            if value.is_empty() {
                return Err(ApiError::Invalid(format!("{name} must not be empty")));
            }
            if parameters.iter().any(|(seen, _)| *seen == name) {
                return Err(ApiError::Invalid(format!("{name} must be given once")));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let name = quoted(name);
    if known.is_empty() {
        format!("unknown query parameter {name}: this operation takes none")
    } else {
        let known = known.join(", ");
        format!("unknown query parameter {name}: this operation takes {known}")
    }
}

/// Rejects all query parameters.
#[derive(Debug)]
pub(crate) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::parse(parts.uri.query(), &[]).map(|_| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(raw: &str) -> String {
        Query::parse(Some(raw), &["limit", "status"])
            .unwrap_err()
            .message()
    }

    #[test]
    fn known_parameters_are_parsed() {
        let query = Query::parse(Some("status=a%20b&limit=5"), &["limit", "status"]).unwrap();
        assert_eq!(query.get("status"), Some("a b"));
        assert_eq!(query.get("limit"), Some("5"));
        assert_eq!(query.get("cursor"), None);
        assert!(Query::parse(Some(""), &[]).is_ok());
        assert!(Query::parse(None, &[]).is_ok());
    }

    #[test]
    fn unknown_repeated_and_empty_parameters_are_rejected_by_name() {
        assert_eq!(refusal("limit="), "limit must not be empty");
        assert_eq!(refusal("limit"), "limit must not be empty");
        assert_eq!(refusal("limit=1&limit=1"), "limit must be given once");
        assert_eq!(refusal("limit=1&l%69mit=2"), "limit must be given once");
        assert_eq!(
            refusal("Limit=1"),
            "unknown query parameter \"Limit\": this operation takes limit, status"
        );
        assert!(refusal("=1").starts_with("unknown query parameter \"\""));
        assert!(refusal("a%0Ab=1").contains(r#""a\nb""#));
        assert!(refusal("%FF=1").starts_with("unknown"));
    }
}
