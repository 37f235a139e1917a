//! Redirects: which ones a request follows, and its new signature.
//!
//! An S3 signature covers the address, so a redirected request must be signed again, as in the AWS SDKs. A redirect to another
//! region is not followed: the variables are wrong, and every request would be redirected.

use std::fmt;
use std::sync::OnceLock;

use http::header::{AUTHORIZATION, LOCATION};
use http::response::Parts;
use http::{HeaderValue, StatusCode};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;
use url::Url;

use super::region;
use super::request::is_signed_by_aws;

const BODY_HASH: &str = "x-amz-content-sha256";
/// Present in requests that an S3 Express session signs, which is valid for one address only.
const SESSION: &str = "x-amz-s3session-token";

/// Signs the redirected requests of one client.
#[derive(Default)]
pub(crate) struct Signer {
    region: Option<String>,
    /// Set after the client is built.
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
        // One call per client, so the cell is empty.
        let _ = self.credentials.set(credentials);
    }

    /// The request for another address. `None` if it cannot be signed.
    pub(super) async fn redirect(
        &self,
        request: &HttpRequest,
        target: &Url,
    ) -> Option<HttpRequest> {
        let mut redirected = request.clone();
        *redirected.uri_mut() = target.as_str().parse().ok()?;
        let is_anonymous = !request.headers().contains_key(AUTHORIZATION);
        if is_anonymous {
            return Some(redirected);
        }
        let (Some(region), Some(credentials)) = (&self.region, self.credentials.get()) else {
            return None;
        };
        if !is_signed_by_aws(request) || request.headers().contains_key(SESSION) {
            return None;
        }
        let credential = credentials.get_credential().await.ok()?;
        let hash = redirected
            .headers()
            .get(BODY_HASH)
            .map(HeaderValue::as_bytes);
        let hash = hash.and_then(|hash| hex::decode(hash).ok());
        redirected.headers_mut().remove(AUTHORIZATION);
        AwsAuthorizer::new(&credential, "s3", region)
            .with_sign_payload(hash.is_some())
            .try_authorize(&mut redirected, hash.as_deref())
            .ok()?;
        Some(redirected)
    }
}

/// The target of a redirect, if the request may follow it: another address in the same region, and not from TLS to plain HTTP.
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
    let to = region::of_headers(&head.headers).or_else(|| region::of_host(target.host_str()?));
    let is_other_region = region.is_some() && to.is_some() && to.as_deref() != region;
    (is_http && !loses_tls && !is_other_region && target != from).then_some(target)
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    fn target_of(from: &str, status: u16, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = from.parse().unwrap();
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (head, ()) = builder.body(()).unwrap().into_parts();
        target(&request, &head, Some("eu-west-1")).map(String::from)
    }

    #[test]
    fn a_redirect_to_another_address_in_the_region_is_followed() {
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
    fn redirects_to_another_region_plain_http_or_the_same_address_are_not_followed() {
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
