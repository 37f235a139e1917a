//! Detects success responses (2xx) that are in fact failures.
//!
//! S3 can find that a completion fails after it has begun to send a 200. A proxy can cut off a response so that it looks whole.

use http::Method;
use http::header::ETAG;
use http::response::Parts;
use object_store::client::HttpRequest;

use super::request::{has_parameter, is_signed_by_aws};

/// The problem of a success response, if it has one.
pub(super) fn problem(request: &HttpRequest, head: &Parts, text: &str) -> Option<&'static str> {
    if is_error_document(text) {
        return Some("the store sent an error inside a success response");
    }
    let method = request.method();
    let is_part = method == Method::PUT && has_parameter(request, "partNumber");
    // The signature excludes other PUTs without a query, such as requests for a metadata token.
    let is_put = method == Method::PUT
        && request.uri().query().unwrap_or_default().is_empty()
        && is_signed_by_aws(request);
    if (is_part || is_put) && !head.headers.contains_key(ETAG) {
        return Some("the response to an uploaded file or part has no ETag");
    }
    let root = match *method {
        Method::POST if has_parameter(request, "uploads") => "InitiateMultipartUploadResult",
        Method::POST if has_parameter(request, "uploadId") => "CompleteMultipartUploadResult",
        Method::GET if has_parameter(request, "list-type") => "ListBucketResult",
        _ => return None,
    };
    let last_tag = text.trim_end().strip_suffix('>').unwrap_or_default();
    let is_whole = last_tag
        .rsplit('<')
        .next()
        .is_some_and(|tag| tag.contains(root));
    (!is_whole).then_some("the response is cut off")
}

fn is_error_document(text: &str) -> bool {
    let mut rest = text.trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t']);
    if let Some(declared) = rest.strip_prefix("<?xml") {
        rest = declared
            .split_once("?>")
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    let name = rest.strip_prefix("<Error");
    name.is_some_and(|rest| rest.starts_with(['>', ' ']))
}
