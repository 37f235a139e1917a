//! The headers of a 429: `Retry-After`, and `RateLimit-Policy` and `RateLimit` of
//! draft-ietf-httpapi-ratelimit-headers-10.

use axum::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use exports_domain::Exceeded;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The policy has the quota (`q`) and its time (`w`, in seconds). The limit has what remains (`r`) and when there will
/// be more (`t`, in seconds).
pub(crate) fn headers(exceeded: &Exceeded) -> HeaderMap {
    let (name, quota) = (exceeded.limit(), exceeded.quota());
    let window = exceeded
        .window()
        .map_or_else(String::new, |window| format!(";w={}", window.as_secs()));
    let seconds = exceeded.retry_after_seconds();
    HeaderMap::from_iter([
        (RETRY_AFTER, HeaderValue::from(seconds)),
        (POLICY, value(format!("\"{name}\";q={quota}{window}"))),
        (LIMIT, value(format!("\"{name}\";r=0;t={seconds}"))),
    ])
}

/// A name of ours in quotes, digits and parameters.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII is a valid header value")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rate_has_a_window_and_a_count_has_none() {
        let requests = headers(&Exceeded::Requests {
            rate: "100/s".parse().unwrap(),
            retry_after: Duration::from_millis(5),
        });
        assert_eq!(requests[RETRY_AFTER], "1");
        assert_eq!(requests[POLICY], "\"requests\";q=100;w=1");
        assert_eq!(requests[LIMIT], "\"requests\";r=0;t=1");
        let active = headers(&Exceeded::Active("1000".parse().unwrap()));
        assert_eq!(active[POLICY], "\"active\";q=1000");
        assert_eq!(active[LIMIT], "\"active\";r=0;t=5");
    }
}
