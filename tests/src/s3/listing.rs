//! Lists a bucket through the server's socket: `ListObjectsV2` and `ListMultipartUploads`.
//!
//! It blocks, so that tests without a runtime can use it. `object_store` cannot list uploads; it signs the requests.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpRequest, HttpRequestBody};

use exports_sandbox::garage::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY};

/// An upload that was neither completed nor aborted.
pub(super) struct Unfinished {
    pub(super) key: String,
    pub(super) id: String,
}

pub(super) fn keys(socket: &Path) -> Vec<String> {
    let answer = list(socket, "list-type=2");
    let contents = elements(&answer, "Contents");
    contents.map(|object| element(object, "Key")).collect()
}

pub(super) fn uploads(socket: &Path) -> Vec<Unfinished> {
    let answer = list(socket, "uploads=");
    let uploads = elements(&answer, "Upload");
    uploads
        .map(|upload| Unfinished {
            key: element(upload, "Key"),
            id: element(upload, "UploadId"),
        })
        .collect()
}

fn list(socket: &Path, what: &str) -> String {
    let uri = format!("http://garage/{BUCKET}?{what}");
    let request = HttpRequest::new(HttpRequestBody::empty());
    let (mut head, body) = request.into_parts();
    head.uri = uri.parse().expect("a URI");
    let mut request = HttpRequest::from_parts(head, body);
    let credential = AwsCredential {
        key_id: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        token: None,
    };
    let authorizer = AwsAuthorizer::new(&credential, "s3", REGION);
    let signed = authorizer.try_authorize(&mut request, None);
    signed.expect("a signature");

    let answer = send(socket, &request).unwrap_or_else(|error| panic!("GET {uri}: {error}"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert_eq!(head.split(' ').nth(1), Some("200"), "GET {uri}: {answer}");
    assert_eq!(element(body, "IsTruncated"), "false", "one page is enough");
    body.to_owned()
}

/// HTTP/1.0: the response ends with the connection.
fn send(socket: &Path, request: &HttpRequest) -> std::io::Result<String> {
    let target = request.uri().path_and_query().expect("a path");
    let mut head = format!("{} {target} HTTP/1.0\r\nHost: garage\r\n", request.method());
    for (name, value) in request.headers() {
        let value = value.to_str().expect("plain text");
        writeln!(head, "{name}: {value}\r").expect("a String takes any text");
    }
    let mut server = UnixStream::connect(socket)?;
    server.write_all(format!("{head}\r\n").as_bytes())?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The content of every XML element with this name. Keys of exports need no XML escapes.
fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&start)?;
        let (inside, after) = after.split_once(&end)?;
        rest = after;
        Some(inside)
    })
}

fn element(text: &str, name: &str) -> String {
    let mut found = elements(text, name);
    let found = found.next();
    found
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .to_owned()
}
