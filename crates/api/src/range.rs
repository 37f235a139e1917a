//! Range requests: `Range` and `If-Range`.

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};
use http_range_header::{SyntacticallyCorrectRange as Given, parse_range_header};

/// The requested part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestedRange {
    Full,
    /// From `first` to `last`, both inclusive and less than the size.
    Bytes {
        first: u64,
        last: u64,
    },
}

/// The range starts after the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsatisfiable;

/// Parses the range of a request for a file of `size` bytes. Ignores a malformed range, other units, multiple ranges, and a range
/// for another version of the file.
pub(crate) fn parse(
    headers: &HeaderMap,
    size: u64,
    tag: &str,
    last_modified: &str,
) -> Result<RequestedRange, Unsatisfiable> {
    let Some(range) = single_range(headers).filter(|_| is_current(headers, tag, last_modified))
    else {
        return Ok(RequestedRange::Full);
    };
    let (first, last) = match range {
        Given::FromStart(first) => (first, size.saturating_sub(1)),
        Given::Indexed(first, last) => (first, last.min(size.saturating_sub(1))),
        Given::FromLast(0) => return Err(Unsatisfiable),
        Given::FromLast(count) => (size.saturating_sub(count), size.saturating_sub(1)),
    };
    if first >= size {
        return Err(Unsatisfiable);
    }
    Ok(RequestedRange::Bytes { first, last })
}

fn single_range(headers: &HeaderMap) -> Option<Given> {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let ranges = parse_range_header(value.to_str().ok()?).ok()?.into_ranges();
    match ranges[..] {
        [range] => Some(range),
        _ => None,
    }
}

/// Whether `If-Range`, if present, is the current version of the file. The values are compared as text: a weak tag never matches,
/// and a date matches only if it is exactly `Last-Modified`.
fn is_current(headers: &HeaderMap, tag: &str, last_modified: &str) -> bool {
    headers
        .get_all(IF_RANGE)
        .iter()
        .all(|value| value == tag || value == last_modified)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const TAG: &str = "\"abc\"";
    const DATE: &str = "Sat, 06 Dec 2025 12:05:00 GMT";

    fn of(headers: &[(HeaderName, &'static str)]) -> Result<RequestedRange, Unsatisfiable> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        parse(&headers, 100, TAG, DATE)
    }

    #[test]
    fn a_single_range_is_parsed() {
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=10-19", 10, 19),
            ("bytes=10-", 10, 99),
            ("bytes=99-1000", 99, 99),
            ("bytes=-1", 99, 99),
            ("bytes=-100", 0, 99),
            ("bytes=-1000", 0, 99),
            ("Bytes=1-99999999999999999999999", 1, 99),
        ] {
            assert_eq!(
                of(&[(RANGE, range)]),
                Ok(RequestedRange::Bytes { first, last }),
                "{range}"
            );
        }
    }

    #[test]
    fn a_range_after_the_end_is_unsatisfiable() {
        for range in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of(&[(RANGE, range)]), Err(Unsatisfiable), "{range}");
        }
        assert_eq!(
            parse(&HeaderMap::new(), 0, TAG, DATE),
            Ok(RequestedRange::Full),
            "an empty file without a range"
        );
    }

    #[test]
    fn multiple_and_malformed_ranges_are_ignored() {
        for range in [
            "bytes=0-1,3-4",
            "bytes=0-1,100-",
            "bytes=5-2",
            "bytes=",
            "bytes=a-b",
            "bytes=--1",
            "bytes=+1-2",
            "bytes 0-1",
            "rows=0-1",
            "",
        ] {
            assert_eq!(of(&[(RANGE, range)]), Ok(RequestedRange::Full), "{range}");
        }
        assert_eq!(
            of(&[(RANGE, "bytes=0-1"), (RANGE, "bytes=0-1")]),
            Ok(RequestedRange::Full)
        );
        assert_eq!(of(&[]), Ok(RequestedRange::Full));
    }

    #[test]
    fn a_range_applies_only_if_if_range_matches_the_file() {
        let part = Ok(RequestedRange::Bytes { first: 0, last: 1 });
        assert_eq!(of(&[(RANGE, "bytes=0-1"), (IF_RANGE, TAG)]), part);
        assert_eq!(of(&[(RANGE, "bytes=0-1"), (IF_RANGE, DATE)]), part);
        for other in [
            "\"abd\"",
            "W/\"abc\"",
            "abc",
            "Sat, 06 Dec 2025 12:05:01 GMT",
        ] {
            let whole = of(&[(RANGE, "bytes=0-1"), (IF_RANGE, other)]);
            assert_eq!(whole, Ok(RequestedRange::Full), "{other}");
            let whole = of(&[(RANGE, "bytes=100-"), (IF_RANGE, other)]);
            assert_eq!(whole, Ok(RequestedRange::Full), "{other}");
        }
    }
}
