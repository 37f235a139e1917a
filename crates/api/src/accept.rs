//! Content negotiation: whether a client prefers problem details (RFC 9457) to the envelope, by `Accept` (RFC 9110).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

const PROBLEM: &str = "application/problem+json";
const JSON: &str = "application/json";

/// Whether errors are problem details. A client must name the type, with a weight that is not below that of JSON: a
/// client that accepts everything gets the envelope.
pub(crate) fn prefers_problem(headers: &HeaderMap) -> bool {
    let mut problem = None;
    // The most specific range decides, whatever the order: the type, then its first half, then everything.
    let mut json = [None; 3];
    let values = headers.get_all(ACCEPT).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    for (range, weight) in values.flat_map(ranges) {
        let target = match &*range.to_ascii_lowercase() {
            PROBLEM => &mut problem,
            JSON => &mut json[0],
            "application/*" => &mut json[1],
            "*/*" => &mut json[2],
            _ => continue,
        };
        *target = (*target).max(Some(weight));
    }
    let json = json.into_iter().flatten().next().unwrap_or(0);
    problem.is_some_and(|problem| problem > 0 && problem >= json)
}

/// The media ranges of a header value, with their weights in thousandths. A range whose weight is malformed is ignored.
fn ranges(value: &str) -> impl Iterator<Item = (&str, u16)> {
    split(value, ',').filter_map(|range| {
        let mut parts = split(range, ';').map(str::trim);
        let name = parts.next()?;
        let weight = parts.find_map(|parameter| {
            let (name, weight) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(weight)
        });
        let weight = weight.map_or(Some(1000), |weight| thousandths(weight.trim()))?;
        Some((name, weight))
    })
}

/// Splits at a separator that is not inside a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return c == separator && !is_quoted,
        }
        false
    })
}

/// A weight: 0 or 1, with at most three decimal places.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn prefers(values: &[&'static str]) -> bool {
        let values = values.iter().copied().map(HeaderValue::from_static);
        prefers_problem(&values.map(|value| (ACCEPT, value)).collect())
    }

    #[test]
    fn problem_details_must_be_named() {
        for values in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/*"],
            &["application/json"],
            &["text/html, application/json;q=0.9, */*;q=0.1"],
            &["application/xml"],
            &["text/x; a=\"application/problem+json\""],
            &["application/problem+jsonx"],
        ] {
            assert!(!prefers(values), "{values:?}");
        }
        for values in [
            &["application/problem+json"][..],
            &["Application/Problem+JSON ; charset=utf-8"],
            &["application/json, application/problem+json"],
            &["application/json", "application/problem+json"],
            &["application/problem+json, */*;q=0.1"],
            &["text/x; a=\"b, \\\"c\", application/problem+json"],
        ] {
            assert!(prefers(values), "{values:?}");
        }
    }

    #[test]
    fn the_weights_decide() {
        for (value, expected) in [
            ("application/problem+json;q=0", false),
            ("application/problem+json;q=0.000", false),
            ("application/problem+json;q=0.001", true),
            ("application/problem+json; Q=0.5, application/json", false),
            ("application/problem+json;q=0.5, */*", false),
            (
                "application/problem+json;q=0.5, application/json;q=0.5",
                true,
            ),
            (
                "application/problem+json;q=0.5, application/json;q=0.4, */*",
                true,
            ),
            (
                "*/*, application/*;q=0.2, application/problem+json;q=0.3",
                true,
            ),
            ("application/problem+json;q=1.000", true),
        ] {
            assert_eq!(prefers(&[value]), expected, "{value}");
        }
        for malformed in ["2", "1.001", "0.0001", "-1", "x", "", "0,5", ".5", "+1"] {
            let value = format!("application/problem+json;q={malformed}");
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::try_from(value).unwrap())]);
            assert!(!prefers_problem(&headers), "{malformed}");
        }
    }
}
