//! One attempt to deliver.

use std::time::SystemTime;

use exports_database::ClaimedDelivery;
use exports_domain::{TraceParent, error_line};
use exports_service::traces::Span;
use exports_service::webhooks::{WebhookNetworks, WebhookTarget};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use super::body::body;
use super::connector::{Clients, ForbiddenAddress};
use super::signature::signatures;

/// How much of a response is read, so that its connection can be used again.
const MAX_READ: usize = 16 * 1024;

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// 2xx.
    Delivered(StatusCode),
    /// 410: the receiver wants no more.
    Gone(StatusCode),
    /// Another status.
    Refused(StatusCode),
    /// No response.
    Failed { reason: String, is_forbidden: bool },
}

impl Sent {
    /// Writes the result into the span of the attempt.
    pub(super) fn trace(&self, span: &mut Span) {
        match self {
            Self::Delivered(status) => {
                span.set("http.response.status_code", i64::from(status.as_u16()));
            }
            Self::Gone(status) | Self::Refused(status) => {
                span.set("http.response.status_code", i64::from(status.as_u16()));
                span.fail(|| format!("the receiver answered {}", status.as_u16()));
            }
            Self::Failed { reason, .. } => span.fail(|| reason.clone()),
        }
    }
}

/// Sends a delivery, in at most 15 seconds. The receiver can continue its trace at `position`.
pub(super) async fn send(
    clients: &Clients,
    networks: &WebhookNetworks,
    delivery: &ClaimedDelivery,
    position: Option<TraceParent>,
) -> Sent {
    // Again, because the allowed networks may have changed.
    let target = match WebhookTarget::parse(&delivery.url, networks) {
        Ok(target) => target,
        Err(error) => {
            return Sent::Failed {
                reason: format!("the url {error}"),
                is_forbidden: true,
            };
        }
    };
    let (id, body) = (delivery.id.to_string(), body(delivery));
    let timestamp = now();
    let signature = signatures(&delivery.secrets, &id, timestamp, &body);
    let mut request = clients
        .of(target.is_plain())
        .post(target.url().clone())
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(body);
    if let Some(position) = position {
        request = request.header("traceparent", position.to_string());
    }
    match request.send().await {
        Ok(response) => {
            let status = response.status();
            read_some(response).await;
            match status {
                StatusCode::GONE => Sent::Gone(status),
                status if status.is_success() => Sent::Delivered(status),
                status => Sent::Refused(status),
            }
        }
        // The URL may contain a secret of the consumer.
        Err(error) => {
            let error = error.without_url();
            Sent::Failed {
                is_forbidden: is_forbidden(&error),
                reason: error_line(&error),
            }
        }
    }
}

/// Seconds since 1970, by this machine's clock, as receivers compare it with theirs.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn is_forbidden(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<ForbiddenAddress>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// The status decides, so an error here means nothing.
async fn read_some(mut response: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_READ {
            return;
        }
    }
}
