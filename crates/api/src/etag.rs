//! Entity tags, and their comparison with `If-None-Match`.

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// A weak tag of `data`. It is weak because the envelope around `data` changes with each response.
pub(crate) fn weak(data: &RawValue) -> String {
    let digest = Sha256::digest(data.get());
    format!("W/\"{}\"", hex::encode(&digest[..16]))
}

/// Whether `If-None-Match` contains `tag`, by weak comparison. The part of a header after a syntax error is ignored.
pub(crate) fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.trim() == "*" || tags(value).any(|listed| listed == tag))
}

/// The opaque tags of a list. A comma may be inside the quotes.
fn tags(mut list: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        list = list.trim_start_matches([' ', '\t', ',']);
        let opaque = list.strip_prefix("W/").unwrap_or(list);
        let end = opaque.strip_prefix('"')?.find('"')? + 2;
        let (tag, rest) = opaque.split_at(end);
        list = rest;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::value::to_raw_value;

    use super::*;

    fn known(values: &[&'static str]) -> bool {
        let headers = values
            .iter()
            .map(|value| (IF_NONE_MATCH, HeaderValue::from_static(value)))
            .collect();
        matches(&headers, "W/\"abc\"")
    }

    #[test]
    fn equal_data_has_equal_etags() {
        let weak = |data: &str| super::weak(&to_raw_value(data).unwrap());
        assert_eq!(weak("a"), weak("a"));
        assert_ne!(weak("a"), weak("b"));
        assert_eq!(weak("a").len(), "W/\"\"".len() + 32);
    }

    #[test]
    fn lists_stars_and_weak_or_strong_etags_match() {
        assert!(known(&["*"]));
        assert!(known(&["W/\"abc\""]));
        assert!(known(&["\"abc\""]));
        assert!(known(&["\"x\", W/\"y,z\" ,\"abc\""]));
        assert!(known(&["\"x\"", "\"abc\""]));
    }

    #[test]
    fn different_and_malformed_etags_do_not_match() {
        assert!(!known(&[]));
        assert!(!known(&[""]));
        assert!(!known(&["abc"]));
        assert!(!known(&["\"abc"]));
        assert!(!known(&["w/\"abc\""]));
        assert!(!known(&["\"x,\"abc\"\""]));
        assert!(!known(&["\"ab\", \"c\""]));
    }
}
