//! Which part of a file a request is for: `Range` and `If-Range`.

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};
use http_range_header::{SyntacticallyCorrectRange as Given, parse_range_header};

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// From byte `first` to byte `last`, both included.
    Bytes {
        /// From 0.
        first: u64,
        /// Less than the size.
        last: u64,
    },
}

/// The range begins behind the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsatisfiable;

/// What the headers ask for of a file of `size` bytes. A range that is malformed, of another unit
/// or one of several is no range, and so is one for another version of the file.
pub(crate) fn part(
    headers: &HeaderMap,
    size: u64,
    tag: &str,
    last_modified: &str,
) -> Result<Part, Unsatisfiable> {
    let Some(range) = only(headers).filter(|_| is_current(headers, tag, last_modified)) else {
        return Ok(Part::Whole);
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
    Ok(Part::Bytes { first, last })
}

fn only(headers: &HeaderMap) -> Option<Given> {
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

/// Whether `If-Range`, if there is one, names the file as it is. Both are compared as texts: a
/// weak tag never matches, and a date is the one that we gave or it is another.
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

    fn of(headers: &[(HeaderName, &'static str)]) -> Result<Part, Unsatisfiable> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        part(&headers, 100, TAG, DATE)
    }

    #[test]
    fn a_single_range_is_a_part() {
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
                Ok(Part::Bytes { first, last }),
                "{range}"
            );
        }
    }

    #[test]
    fn a_range_behind_the_end_is_unsatisfiable() {
        for range in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of(&[(RANGE, range)]), Err(Unsatisfiable), "{range}");
        }
        assert_eq!(
            part(&HeaderMap::new(), 0, TAG, DATE),
            Ok(Part::Whole),
            "an empty file has no parts"
        );
    }

    #[test]
    fn several_malformed_and_foreign_ranges_are_none() {
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
            assert_eq!(of(&[(RANGE, range)]), Ok(Part::Whole), "{range}");
        }
        assert_eq!(
            of(&[(RANGE, "bytes=0-1"), (RANGE, "bytes=0-1")]),
            Ok(Part::Whole)
        );
        assert_eq!(of(&[]), Ok(Part::Whole));
    }

    #[test]
    fn a_range_is_for_the_version_that_the_client_has() {
        let part = Ok(Part::Bytes { first: 0, last: 1 });
        assert_eq!(of(&[(RANGE, "bytes=0-1"), (IF_RANGE, TAG)]), part);
        assert_eq!(of(&[(RANGE, "bytes=0-1"), (IF_RANGE, DATE)]), part);
        for other in [
            "\"abd\"",
            "W/\"abc\"",
            "abc",
            "Sat, 06 Dec 2025 12:05:01 GMT",
        ] {
            let whole = of(&[(RANGE, "bytes=0-1"), (IF_RANGE, other)]);
            assert_eq!(whole, Ok(Part::Whole), "{other}");
            let whole = of(&[(RANGE, "bytes=100-"), (IF_RANGE, other)]);
            assert_eq!(whole, Ok(Part::Whole), "{other}");
        }
    }
}
