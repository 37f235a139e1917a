//! Redirects: to which of them a request may follow, and its new signature there.
//!
//! A signature of S3's covers the address, so a request that is sent elsewhere has to be signed again. Amazon's SDKs do the
//! same. Another region is not followed: the variables are wrong then, and every request would take the detour.

use std::fmt;
use std::sync::OnceLock;

use http::header::{AUTHORIZATION, LOCATION};
use http::response::Parts;
use http::{HeaderValue, StatusCode};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;
use url::Url;

use super::error_response::{bucket_region, is_signed_by_aws};

const BODY_HASH: &str = "x-amz-content-sha256";
/// Present where a session of S3 Express signs, which is for one address only.
const SESSION: &str = "x-amz-s3session-token";

/// Signs requests of one client again.
#[derive(Default)]
pub(crate) struct Signer {
    region: Option<String>,
    /// Known once the client is built.
    credentials: OnceLock<AwsCredentialProvider>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    pub(crate) fn new(region: String) -> Self {
        Self {
            region: Some(region),
            credentials: OnceLock::new(),
        }
    }

    /// The region that requests are signed for. Only S3 has one.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    pub(crate) fn use_credentials(&self, credentials: AwsCredentialProvider) {
        // A second call would be another client's.
        let _ = self.credentials.set(credentials);
    }

    /// The request for another address. `None` if it cannot be signed for it.
    pub(super) async fn moved(&self, request: &HttpRequest, target: &Url) -> Option<HttpRequest> {
        let mut moved = request.clone();
        *moved.uri_mut() = target.as_str().parse().ok()?;
        let is_anonymous = !request.headers().contains_key(AUTHORIZATION);
        if is_anonymous {
            return Some(moved);
        }
        let (Some(region), Some(credentials)) = (&self.region, self.credentials.get()) else {
            return None;
        };
        if !is_signed_by_aws(request) || request.headers().contains_key(SESSION) {
            return None;
        }
        let credential = credentials.get_credential().await.ok()?;
        let hash = moved.headers().get(BODY_HASH).map(HeaderValue::as_bytes);
        let hash = hash.and_then(|hash| hex::decode(hash).ok());
        moved.headers_mut().remove(AUTHORIZATION);
        AwsAuthorizer::new(&credential, "s3", region)
            .with_sign_payload(hash.is_some())
            .try_authorize(&mut moved, hash.as_deref())
            .ok()?;
        Some(moved)
    }
}

/// Where an answer sends its request, if it may go there: another address for the same region, and not from TLS to none.
pub(super) fn target(request: &HttpRequest, head: &Parts, region: Option<&str>) -> Option<Url> {
    let is_redirect = matches!(
        head.status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !is_redirect {
        return None;
    }
    let from = Url::parse(&request.uri().to_string()).ok()?;
    let location = head.headers.get(LOCATION)?.to_str().ok()?;
    let mut target = from.join(location).ok()?;
    if target.query().is_none() {
        target.set_query(from.query());
    }
    let loses_tls = from.scheme() == "https" && target.scheme() != "https";
    let is_http = matches!(target.scheme(), "http" | "https") && target.has_host();
    let there = bucket_region(&head.headers).or_else(|| region_of(target.host_str()?));
    let is_another_region = region.is_some() && there.is_some() && there.as_deref() != region;
    (is_http && !loses_tls && !is_another_region && target != from).then_some(target)
}

/// The region in a name of Amazon's: `s3.eu-west-1.amazonaws.com`, `bucket.s3-eu-west-1.amazonaws.com`.
pub(super) fn region_of(host: &str) -> Option<String> {
    let name = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let label = name.rsplit('.').next()?;
    let label = label.strip_prefix("s3-").unwrap_or(label);
    let is_region = label.split('-').count() >= 3 && label.ends_with(|c: char| c.is_ascii_digit());
    is_region.then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    fn target_of(from: &str, status: u16, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = from.parse().unwrap();
        let mut answer = http::Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let (head, ()) = answer.body(()).unwrap().into_parts();
        target(&request, &head, Some("eu-west-1")).map(String::from)
    }

    #[test]
    fn the_same_region_under_another_address_is_followed() {
        let from = "https://s3.eu-west-1.amazonaws.com/b/k?partNumber=1&uploadId=u";
        for (location, to) in [
            (
                "https://b.s3-eu-west-1.amazonaws.com/k?partNumber=1&uploadId=u",
                "https://b.s3-eu-west-1.amazonaws.com/k?partNumber=1&uploadId=u",
            ),
            (
                "https://b.s3-gztb4pa9sq.amazonaws.com/k",
                "https://b.s3-gztb4pa9sq.amazonaws.com/k?partNumber=1&uploadId=u",
            ),
            (
                "/other/k?partNumber=1&uploadId=u",
                "https://s3.eu-west-1.amazonaws.com/other/k?partNumber=1&uploadId=u",
            ),
        ] {
            assert_eq!(
                target_of(from, 307, &[("location", location)]).as_deref(),
                Some(to)
            );
        }
    }

    #[test]
    fn another_region_plain_http_and_the_same_address_are_not() {
        let from = "https://s3.eu-west-1.amazonaws.com/b/k";
        for location in [
            "https://s3.us-west-2.amazonaws.com/b/k",
            "http://s3.eu-west-1.amazonaws.com/b/k",
            "ftp://host/k",
            from,
        ] {
            assert_eq!(
                target_of(from, 307, &[("location", location)]),
                None,
                "{location}"
            );
        }
        let there = [
            ("location", "https://files.example/b/k"),
            ("x-amz-bucket-region", "us-west-2"),
        ];
        assert_eq!(target_of(from, 301, &there), None);
        assert_eq!(target_of(from, 200, &there[..1]), None);
        assert_eq!(target_of(from, 301, &[]), None);
    }
}
