//! Strict parsing of query parameters: unknown, repeated and empty parameters are rejected, so that a misspelled filter is an
//! error.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use crate::error::ApiError;
use crate::faults::{Faults, unknown_names};

/// The query parameters of a request, and the faults that were found in them. The endpoint reads its parameters in their
/// order, and then calls [`Self::finish`].
#[derive(Debug)]
pub(crate) struct Query<'a> {
    given: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    known: &'a [&'a str],
    faults: Faults,
}

impl<'a> Query<'a> {
    /// Faults are recorded.
    pub(crate) fn read(raw: Option<&'a str>, known: &'a [&'a str]) -> Self {
        Self {
            given: form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).collect(),
            known,
            faults: Faults::default(),
        }
    }

    /// Fails if a parameter is unknown, empty or repeated. For endpoints that look at the values afterwards.
    pub(crate) fn parse(raw: Option<&'a str>, known: &'a [&'a str]) -> Result<Self, ApiError> {
        let mut names = Self::read(raw, known);
        for name in known {
            names.value(name, |_| Ok(()));
        }
        names.finish()?;
        Ok(Self::read(raw, known))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| &**value)
    }

    /// The value of a parameter, if it is given and has no fault. The fault of `parse` follows the name of the parameter.
    pub(crate) fn value<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let mut values = self.given.extract_if(.., |(given, _)| given == name);
        let (first, more) = (values.next()?.1, values.count());
        let parsed = match &*first {
            _ if more > 0 => Err("must be given once".to_owned()),
            "" => Err("must not be empty".to_owned()),
            text => parse(text),
        };
        self.faults
            .ok(parsed.map_err(|rule| format!("{name} {rule}")))
    }

    /// The error for all faults. Parameters that were not read are unknown.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let unknown = self.given.iter().map(|(name, _)| &**name);
        let fault = unknown_names("query parameter", unknown, || match self.known {
            [] => "this operation takes none".to_owned(),
            known => format!("this operation takes {}", known.join(", ")),
        });
        if let Some(fault) = fault {
            self.faults.add(fault);
        }
        self.faults.check()
    }
}

/// Rejects all query parameters.
#[derive(Debug)]
pub(crate) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::read(parts.uri.query(), &[]).finish().map(|()| Self)
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
        assert_eq!(
            refusal("page=1&status=&limit=1&limit=2"),
            "limit must be given once; status must not be empty; \
             unknown query parameter \"page\": this operation takes limit, status"
        );
        assert!(refusal("=1").starts_with("unknown query parameter \"\""));
        assert!(refusal("a%0Ab=1").contains(r#""a\nb""#));
        assert!(refusal("%FF=1").starts_with("unknown"));
    }
}
