//! Waits until an export has ended or changed.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use exports_service::http_server::LongWait;
use tokio::time::{Instant, timeout_at};

use crate::error::ApiError;
use crate::live::{Latest, Rendered, Waiter, Watch};

/// How long a request has waited. An extension of the response: the time is not a part of the request's duration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited(Duration);

impl Waited {
    /// Measures from now on.
    pub(crate) fn since(begun: Instant) -> Self {
        Self(begun.elapsed())
    }

    /// The time that a response has waited.
    pub(crate) fn of(response: &Response) -> Duration {
        let waited = response.extensions().get::<Self>();
        waited.map_or(Duration::ZERO, |waited| waited.0)
    }
}

/// The export as soon as `is_enough` is true for it, or as it is at the deadline or when the process stops. `None` if there is
/// no such export.
pub(crate) async fn wait(
    waiter: &Waiter,
    mut watch: Watch,
    deadline: Instant,
    long_wait: &LongWait,
    is_enough: impl Fn(&Rendered) -> bool,
) -> Result<Option<Arc<Rendered>>, ApiError> {
    let mut latest = watch.first().await?;
    loop {
        let Latest::Found(found) = latest else {
            return Ok(None);
        };
        if is_enough(&found) {
            return Ok(Some(found));
        }
        long_wait.begin();
        latest = tokio::select! {
            biased;
            refused = waiter.refused() => return Err(refused.into()),
            () = waiter.stopping() => return Ok(Some(found)),
            changed = timeout_at(deadline, watch.differs_from(Some(found.etag()))) => match changed {
                Ok(changed) => changed,
                Err(_) => return Ok(Some(found)),
            },
        };
    }
}
