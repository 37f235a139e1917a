//! How long a request wants to wait: the query parameter `wait`, or the preference `wait` of the header `Prefer` (RFC 7240).

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use url::form_urlencoded;

/// The longest wait, in seconds.
pub(crate) const MAX_SECONDS: u8 = 60;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A number of seconds from 0 to [`MAX_SECONDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(u8);

impl Wait {
    /// The time.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }

    /// The value of the query parameter.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        number(text)
            .and_then(|seconds| u8::try_from(seconds).ok())
            .filter(|seconds| *seconds <= MAX_SECONDS)
            .map(Self)
            .ok_or_else(|| format!("must be a whole number of seconds from 0 to {MAX_SECONDS}"))
    }

    /// The preference of a request. A preference is never an error: a value that is no whole number is ignored, and a
    /// longer time is the longest one. If it is given several times, the first counts.
    pub(crate) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(PREFER).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let value = values.flat_map(preferences).find_map(wait_of)?;
        let seconds = number(value)?.min(MAX_SECONDS.into());
        u8::try_from(seconds).ok().map(Self)
    }

    /// The header that says that the preference was applied.
    pub(crate) fn applied(self) -> (HeaderName, HeaderValue) {
        let value = HeaderValue::try_from(format!("wait={}", self.0));
        (
            PREFERENCE_APPLIED,
            value.expect("letters and digits are a valid header value"),
        )
    }

    /// The longest time that a request may want to wait, before anything of it is checked.
    pub(crate) fn at_most(request: &Request) -> Duration {
        let query = request.uri().query().unwrap_or_default();
        let asked = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "wait")
            .filter_map(|(_, value)| Self::parse(&value).ok());
        let preferred = Self::preferred(request.headers());
        let longest = asked.chain(preferred).map(Self::duration).max();
        longest.unwrap_or_default()
    }
}

/// Digits only: `parse` alone accepts a plus sign. A number that is too large for the type is large.
fn number(text: &str) -> Option<u32> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// The preferences of a list. A comma may be inside quotes.
fn preferences(list: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    list.split(move |char| {
        if char == '"' {
            is_quoted = !is_quoted;
        }
        char == ',' && !is_quoted
    })
}

/// The value of a preference, without its parameters, if it is `wait`.
fn wait_of(preference: &str) -> Option<&str> {
    let (preference, _) = preference.split_once(';').unwrap_or((preference, ""));
    let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
    name.trim()
        .eq_ignore_ascii_case("wait")
        .then(|| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(values: &[&'static str]) -> Option<u8> {
        let headers = values
            .iter()
            .map(|value| (PREFER, HeaderValue::from_static(value)))
            .collect();
        Wait::preferred(&headers).map(|wait| wait.0)
    }

    #[test]
    fn a_preference_is_found_in_every_form_of_the_header() {
        assert_eq!(preferred(&["wait=30"]), Some(30));
        assert_eq!(preferred(&["Wait = \"7\" ; x=\"a\""]), Some(7));
        assert_eq!(preferred(&["respond-async, wait=5"]), Some(5));
        assert_eq!(preferred(&["respond-async", "wait=5"]), Some(5));
        assert_eq!(preferred(&["foo=\"a,wait=9\", wait=5"]), Some(5));
        assert_eq!(preferred(&["wait=0"]), Some(0));
        assert_eq!(preferred(&["wait=1, wait=2"]), Some(1), "the first counts");
    }

    #[test]
    fn a_preference_is_never_an_error() {
        assert_eq!(preferred(&["wait=61"]), Some(60));
        assert_eq!(preferred(&["wait=99999999999999999999"]), Some(60));
        for ignored in [
            "", "wait", "wait=", "wait=-1", "wait=+1", "wait=1.5", "wait=x", "await=5",
        ] {
            assert_eq!(preferred(&[ignored]), None, "{ignored}");
        }
        assert_eq!(preferred(&[]), None);
    }

    #[test]
    fn the_query_parameter_has_bounds() {
        assert_eq!(Wait::parse("0").unwrap().duration(), Duration::ZERO);
        assert_eq!(Wait::parse("60").unwrap().0, 60);
        for bad in ["61", "-1", "+1", "1.5", "x", "", "256", "4294967356"] {
            let error = Wait::parse(bad).unwrap_err();
            assert_eq!(
                error, "must be a whole number of seconds from 0 to 60",
                "{bad}"
            );
        }
    }

    #[test]
    fn the_request_timeout_allows_for_the_longest_wait() {
        let request = |uri: &str, prefer: &'static str| {
            let request = Request::get(uri).header(PREFER, prefer);
            Wait::at_most(&request.body(axum::body::Body::empty()).unwrap()).as_secs()
        };
        assert_eq!(request("/v1/exports/1?wait=30", "x"), 30);
        assert_eq!(request("/v1/exports/1?wait=3", "wait=9"), 9);
        assert_eq!(request("/v1/exports/1?wait=300", "wait=z"), 0);
    }
}
