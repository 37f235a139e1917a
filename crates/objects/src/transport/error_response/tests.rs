//! Tests of parsing error responses.

use http::header::AUTHORIZATION;
use object_store::client::HttpRequestBody;

use super::*;

const PART: (&str, &str) = ("PUT", "http://h:9/b/k?partNumber=1&uploadId=u");
const PUT: (&str, &str) = ("PUT", "http://h:9/b/k");
const CREATE: (&str, &str) = ("POST", "http://h:9/b/k?uploads=");
const COMPLETE: (&str, &str) = ("POST", "http://h:9/b/k?uploadId=u");
const LIST: (&str, &str) = ("GET", "http://h:9/b?list-type=2");

fn response(
    (method, uri): (&str, &str),
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<ErrorResponse> {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = uri.parse().unwrap();
    let signature = "AWS4-HMAC-SHA256 Credential=…".try_into().unwrap();
    request.headers_mut().insert(AUTHORIZATION, signature);
    let mut builder = http::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    ErrorResponse::parse(&request, &head, body.as_bytes(), Some("eu-west-1"))
}

fn error(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>So\nit is</Message></Error>"
    )
}

#[test]
fn an_error_has_its_status_code_and_message() {
    let found = response(PART, 503, &[], &error("SlowDown")).unwrap();
    assert!(found.is_retryable());
    assert_eq!(
        found.reason(),
        "the store responded with 503 Service Unavailable (SlowDown: So it is)"
    );
    assert_eq!(
        found.to_string(),
        "PUT http://h:9/b/k?partNumber=1&uploadId=u got the response 503 Service Unavailable: SlowDown: So it is"
    );
}

#[test]
fn a_signed_request_in_an_error_body_is_not_kept() {
    let body = "<Error><Code>ExpiredToken</Code><Message>The token has expired</Message>\
                <CanonicalRequest>x-amz-security-token:hush</CanonicalRequest></Error>";
    let found = response(PUT, 400, &[], body).unwrap();
    assert_eq!(found.kind(), ErrorKind::Refused);
    assert!(!found.is_retryable());
    let reason = found.reason();
    assert!(
        reason.starts_with("the session token has expired"),
        "{reason}"
    );
    assert!(
        reason.ends_with("(ExpiredToken: The token has expired)"),
        "{reason}"
    );
    assert!(!format!("{reason}{found}{found:?}").contains("hush"));
}

#[test]
fn incomplete_success_responses_and_embedded_errors_are_failures() {
    let tag = [("etag", "\"x\"")];
    for (request, headers, body, problem) in [
        (PUT, &[][..], String::new(), Some("no ETag")),
        (PUT, &tag[..], String::new(), None),
        (PART, &[], String::new(), Some("no ETag")),
        (PART, &tag, String::new(), None),
        (
            COMPLETE,
            &[],
            error("InternalError"),
            Some("inside a success response"),
        ),
        (COMPLETE, &[], "  \n".to_owned(), Some("cut off")),
        (
            COMPLETE,
            &[],
            "<CompleteMultipartUploadResult><ETag>".to_owned(),
            Some("cut off"),
        ),
        (
            COMPLETE,
            &[],
            "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>\n".to_owned(),
            None,
        ),
        (CREATE, &[], String::new(), Some("cut off")),
        (
            LIST,
            &[],
            "<ListBucketResult><Key>a</Key>".to_owned(),
            Some("cut off"),
        ),
        (
            LIST,
            &[],
            "<ListBucketResult xmlns=\"x\"/>".to_owned(),
            None,
        ),
        (("HEAD", "http://h:9/b/k"), &[], String::new(), None),
        // A token response of the metadata service.
        (("GET", "http://h:9/latest"), &[], "{}".to_owned(), None),
    ] {
        let found = response(request, 200, headers, &body);
        match (&found, problem) {
            (None, None) => {}
            (Some(found), Some(problem)) => {
                assert!(found.is_retryable(), "{request:?} {body}");
                assert!(found.reason().contains(problem), "{}", found.reason());
            }
            _ => panic!("{request:?} {body}: {found:?}"),
        }
    }
    let inside = response(COMPLETE, 200, &[], &error("AccessDenied")).unwrap();
    assert!(!inside.is_retryable());
    assert_eq!(inside.kind(), ErrorKind::Refused);
}

#[test]
fn the_region_is_read_from_a_header_a_location_or_an_xml_element() {
    let body = |inner: &str| format!("<Error><Code>PermanentRedirect</Code>{inner}</Error>");
    let named =
        "the bucket is in region us-west-2, but AWS_REGION is eu-west-1: set AWS_REGION=us-west-2";
    for (status, headers, body) in [
        (
            301,
            &[("x-amz-bucket-region", "us-west-2")][..],
            String::new(),
        ),
        (
            307,
            &[("location", "https://b.s3.us-west-2.amazonaws.com/k")],
            String::new(),
        ),
        (
            301,
            &[],
            body("<Endpoint>b.s3-us-west-2.amazonaws.com</Endpoint>"),
        ),
        (400, &[], body("<Region>us-west-2</Region>")),
    ] {
        let found = response(PUT, status, headers, &body).unwrap();
        assert!(found.reason().starts_with(named), "{}", found.reason());
        assert!(!found.is_retryable());
        assert_eq!(found.kind(), ErrorKind::Refused);
    }
    let unnamed = response(PUT, 400, &[], &error("AuthorizationHeaderMalformed")).unwrap();
    let reason = unnamed.reason();
    assert!(
        reason.starts_with("the bucket is not in the region of AWS_REGION (eu-west-1)"),
        "{reason}"
    );
}

#[test]
fn the_error_code_of_a_head_response_is_in_a_header() {
    let head = ("HEAD", "http://h:9/b/k");
    let found = response(head, 404, &[("x-ms-error-code", "ContainerNotFound")], "").unwrap();
    assert_eq!(found.kind(), ErrorKind::Unavailable);
    assert_eq!(
        response(head, 404, &[], "").unwrap().kind(),
        ErrorKind::NotFound
    );
}
