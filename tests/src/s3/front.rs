//! The front of every S3 server of a test: counts the requests and applies the faults.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, ETAG, LOCATION};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::faults::{Fault, Faults, Reply, Seen, query};

/// The server behind the front.
pub(super) fn before(server: Router, faults: Faults) -> Router {
    server.layer(from_fn_with_state(faults, answer))
}

async fn answer(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return serve(faults, request, next).await;
    }
    let under_way = faults.under_way();
    let answer = unless_authorized_twice(faults, request, next).await;
    answer.map(|body| {
        let bytes = body.into_data_stream().inspect_ok(move |bytes| {
            under_way.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        });
        Body::from_stream(bytes)
    })
}

/// Like Amazon S3, and unlike `s3s-fs`: refuses a request that has both a signed link and an `Authorization` header.
async fn unless_authorized_twice(faults: Faults, request: Request, next: Next) -> Response {
    let is_link = query(&request, "X-Amz-Signature").is_some();
    if is_link && request.headers().contains_key(AUTHORIZATION) {
        return error(400, "InvalidArgument");
    }
    serve(faults, request, next).await
}

async fn serve(faults: Faults, request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let _serving = faults.serving(seen.kind);
    let Some((rule, hits)) = faults.meet(seen) else {
        return next.run(request).await;
    };
    match rule.fault {
        Fault::Answer(status) => {
            // Read the whole request. Otherwise the client gets a connection error instead of the response.
            let _ = to_bytes(request.into_body(), usize::MAX).await;
            let code = if status == 403 {
                "AccessDenied"
            } else {
                "Injected"
            };
            error(status, code)
        }
        Fault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Fault::Corrupt => next.run(corrupted(request).await).await,
        Fault::Hold => {
            rule.dropped().await;
            next.run(request).await
        }
        Fault::HoldAnswer => {
            let served = next.run(request).await;
            rule.dropped().await;
            served
        }
        Fault::Cut(length) => next.run(request).await.map(|body| cut(body, length)),
        Fault::LoseAnswer if hits == 1 => {
            let served = next.run(request).await;
            let _ = to_bytes(served.into_body(), usize::MAX).await;
            error(502, "Injected")
        }
        Fault::LoseAnswer => next.run(request).await,
        Fault::Reply(reply) => {
            let _ = to_bytes(request.into_body(), usize::MAX).await;
            given(reply)
        }
        Fault::Redirect(status, origin) => {
            let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
            let location = format!("{origin}{path}");
            let _ = to_bytes(request.into_body(), usize::MAX).await;
            let mut answer = error(status, "TemporaryRedirect");
            let location = location.try_into().expect("a header");
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        Fault::WithoutEtag => {
            let mut served = next.run(request).await;
            served.headers_mut().remove(ETAG);
            served
        }
        Fault::BreakOff => {
            let (mut head, body) = next.run(request).await.into_parts();
            let _ = to_bytes(body, usize::MAX).await;
            head.headers.insert(CONTENT_LENGTH, 1000.into());
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            let body = Body::from_stream(stream::once(async { Err::<Bytes, _>(broken) }));
            Response::from_parts(head, body)
        }
    }
}

fn given(reply: Reply) -> Response {
    let body = match (reply.code, reply.elements) {
        ("", "") => String::new(),
        ("", elements) => format!("<Error>{elements}</Error>"),
        (code, elements) => {
            format!("<Error><Code>{code}</Code><Message>a test's doing</Message>{elements}</Error>")
        }
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).expect("a valid answer")
}

/// The same request with one bit changed in the last byte of its body.
async fn corrupted(request: Request) -> Request {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a whole body");
    let mut body = body.to_vec();
    *body.last_mut().expect("a body to change") ^= 1;
    Request::from_parts(head, Body::from(body))
}

/// The same body up to this many bytes, then a closed connection.
fn cut(body: Body, length: usize) -> Body {
    let mut left = length;
    let bytes = body.into_data_stream().map(move |chunk| {
        if left == 0 {
            return Err(axum::Error::new(std::io::Error::other("cut by a test")));
        }
        let mut chunk = chunk?;
        chunk.truncate(left);
        left -= chunk.len();
        Ok(chunk)
    });
    // The error after the last bytes is only reached if there is more to send.
    Body::from_stream(bytes)
}

/// An S3 error response.
pub(super) fn error(status: u16, code: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a test's doing</Message></Error>"
    );
    Response::builder()
        .status(status)
        .body(Body::from(body))
        .expect("a valid status")
}
