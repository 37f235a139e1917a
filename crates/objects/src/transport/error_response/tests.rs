//! Tests of reading answers.

use object_store::client::HttpRequestBody;

use super::*;

const PART: (&str, &str) = ("PUT", "http://h:9/b/k?partNumber=1&uploadId=u");
const PUT: (&str, &str) = ("PUT", "http://h:9/b/k");
const CREATE: (&str, &str) = ("POST", "http://h:9/b/k?uploads=");
const COMPLETE: (&str, &str) = ("POST", "http://h:9/b/k?uploadId=u");
const LIST: (&str, &str) = ("GET", "http://h:9/b?list-type=2");

fn answer(
    (method, uri): (&str, &str),
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = uri.parse().unwrap();
    let signature = "AWS4-HMAC-SHA256 Credential=…".try_into().unwrap();
    request.headers_mut().insert(AUTHORIZATION, signature);
    let mut answer = http::Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    let (head, ()) = answer.body(()).unwrap().into_parts();
    Answer::failed(&request, &head, body.as_bytes(), Some("eu-west-1"))
}

fn error(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>So\nit is</Message></Error>"
    )
}

#[test]
fn an_answer_is_reduced_to_its_status_and_code() {
    let found = answer(PART, 503, &[], &error("SlowDown")).unwrap();
    assert!(found.passes());
    assert_eq!(
        found.reason(),
        "the store answered 503 Service Unavailable (SlowDown: So it is)"
    );
    assert_eq!(
        found.to_string(),
        "PUT http://h:9/b/k?partNumber=1&uploadId=u was answered 503 Service Unavailable: SlowDown: So it is"
    );
}

#[test]
fn a_signed_request_that_a_server_echoes_is_not_kept() {
    let body = "<Error><Code>ExpiredToken</Code><Message>The token has expired</Message>\
                <CanonicalRequest>x-amz-security-token:hush</CanonicalRequest></Error>";
    let found = answer(PUT, 400, &[], body).unwrap();
    assert_eq!(found.kind(), ErrorKind::Refused);
    assert!(!found.passes());
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
fn a_success_can_be_a_failure() {
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
            Some("inside a success"),
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
        // The metadata service's token, and others' answers.
        (("GET", "http://h:9/latest"), &[], "{}".to_owned(), None),
    ] {
        let found = answer(request, 200, headers, &body);
        match (&found, problem) {
            (None, None) => {}
            (Some(found), Some(problem)) => {
                assert!(found.passes(), "{request:?} {body}");
                assert!(found.reason().contains(problem), "{}", found.reason());
            }
            _ => panic!("{request:?} {body}: {found:?}"),
        }
    }
    let inside = answer(COMPLETE, 200, &[], &error("AccessDenied")).unwrap();
    assert!(!inside.passes());
    assert_eq!(inside.kind(), ErrorKind::Refused);
}

#[test]
fn another_region_is_named_by_whatever_names_it() {
    let body = |inner: &str| format!("<Error><Code>PermanentRedirect</Code>{inner}</Error>");
    let named =
        "the bucket is in region us-west-2, AWS_REGION says eu-west-1: set AWS_REGION=us-west-2";
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
        let found = answer(PUT, status, headers, &body).unwrap();
        assert!(found.reason().starts_with(named), "{}", found.reason());
        assert!(!found.passes());
        assert_eq!(found.kind(), ErrorKind::Refused);
    }
    let unnamed = answer(PUT, 400, &[], &error("AuthorizationHeaderMalformed")).unwrap();
    let reason = unnamed.reason();
    assert!(
        reason.starts_with("the bucket is in another region than AWS_REGION says (eu-west-1)"),
        "{reason}"
    );
}

#[test]
fn a_head_tells_its_code_by_a_header() {
    let head = ("HEAD", "http://h:9/b/k");
    let found = answer(head, 404, &[("x-ms-error-code", "ContainerNotFound")], "").unwrap();
    assert_eq!(found.kind(), ErrorKind::Unavailable);
    assert_eq!(
        answer(head, 404, &[], "").unwrap().kind(),
        ErrorKind::NotFound
    );
}
