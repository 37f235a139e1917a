//! What stands before every S3 server of a test: counts the requests and carries out the faults.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use super::faults::{Fault, Faults, Seen};

/// The server with the front before it.
pub(super) fn before(server: Router, faults: Faults) -> Router {
    server.layer(from_fn_with_state(faults, answer))
}

async fn answer(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let Some((rule, hits)) = faults.meet(Seen::of(&request)) else {
        return next.run(request).await;
    };
    match rule.fault {
        Fault::Answer(status) => {
            // Read to its end: a client that is cut off while it sends would see a broken connection instead.
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
        Fault::LoseAnswer if hits == 1 => {
            let served = next.run(request).await;
            let _ = to_bytes(served.into_body(), usize::MAX).await;
            error(502, "Injected")
        }
        Fault::LoseAnswer => next.run(request).await,
    }
}

/// The same request with one bit of its body's last byte changed.
async fn corrupted(request: Request) -> Request {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a whole body");
    let mut body = body.to_vec();
    *body.last_mut().expect("a body to change") ^= 1;
    Request::from_parts(head, Body::from(body))
}

/// An answer as S3 gives it to a request that it does not carry out.
pub(super) fn error(status: u16, code: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a test's doing</Message></Error>"
    );
    Response::builder()
        .status(status)
        .body(Body::from(body))
        .expect("a valid status")
}
