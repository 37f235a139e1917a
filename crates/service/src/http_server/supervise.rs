//! Runs a connection until it is done, exceeds a limit, or has to close.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::time::sleep_until;

use super::closed::Closed;
use super::open_connections::OpenConnection;

/// Polls `work`. Its second argument is true when the server stops and the connection has a request in progress: `work` then
/// ends after that request.
///
/// There is one timer. It is set again only if it has run out, or if the next limit is earlier.
pub(super) async fn supervise<T>(
    connection: &OpenConnection,
    mut work: impl FnMut(&mut Context<'_>, bool) -> Poll<T>,
) -> Result<T, Closed> {
    let activity = &connection.activity;
    let mut timer = pin!(sleep_until(
        activity.deadline().unwrap_or_else(|| activity.recheck())
    ));
    poll_fn(|cx| {
        activity.register(cx.waker());
        let is_stopping = connection.all.is_stopping();
        // Before the decision to close: a request may have arrived that was not read yet.
        let polled = work(cx, is_stopping && activity.is_in_request());
        if let Poll::Ready(done) = polled {
            return Poll::Ready(Ok(done));
        }
        if !activity.is_in_request() {
            if is_stopping {
                return Poll::Ready(Err(Closed::Stopped));
            }
            if activity.is_displaced() {
                return Poll::Ready(Err(Closed::Displaced));
            }
        }
        if let Some(deadline) = activity.deadline()
            && deadline < timer.deadline()
        {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if let Some(reason) = activity.overdue() {
                return Poll::Ready(Err(reason));
            }
            let next = activity.deadline().unwrap_or_else(|| activity.recheck());
            timer.as_mut().reset(next);
        }
        Poll::Pending
    })
    .await
}
