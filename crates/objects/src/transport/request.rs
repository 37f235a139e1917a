//! Properties of a request.

use http::Uri;
use http::header::AUTHORIZATION;
use object_store::client::HttpRequest;

pub(super) fn is_signed_by_aws(request: &HttpRequest) -> bool {
    let signature = request.headers().get(AUTHORIZATION);
    signature.is_some_and(|signature| signature.as_bytes().starts_with(b"AWS4-"))
}

/// Whether the query contains a parameter with this name.
pub(super) fn has_parameter(request: &HttpRequest, name: &str) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| pair.split('=').next() == Some(name))
}

pub(super) fn host(uri: &Uri) -> String {
    uri.host().unwrap_or_default().to_owned()
}

pub(super) fn authority(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

/// The request for logs. It includes the query only for AWS requests that are signed in a header: elsewhere the query may
/// contain a signature (Azure) or a token (AWS STS).
pub(super) fn describe(request: &HttpRequest) -> String {
    let (method, uri) = (request.method(), request.uri());
    if is_signed_by_aws(request) {
        return format!("{method} {uri}");
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    format!("{method} {scheme}://{}{}", authority(uri), uri.path())
}
