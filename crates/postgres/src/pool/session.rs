//! A connection, and what is known of it.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, timeout};

/// An answer that nobody waits for, and a good-bye, are waited for as long.
const LIMIT: Duration = Duration::from_secs(1);

/// A connection, and what is known of it.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) step: Step,
    pub(super) opened_at: Instant,
    pub(super) answered_at: Instant,
    /// When it was last known to be good for the pool's access; `None` if it has to be asked.
    pub(super) checked_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Everything that was asked is answered.
    Ready,
    /// An answer is still to come.
    Asked,
    /// It broke, did not answer in time, or leads to the wrong server.
    Lost,
}

impl Session {
    /// One that was just opened.
    pub(super) fn new(connection: PgConnection) -> Self {
        let now = Instant::now();
        Self {
            connection,
            step: Step::Ready,
            opened_at: now,
            answered_at: now,
            checked_at: None,
        }
    }

    /// Everything that was asked is answered, just now.
    pub(super) fn answered(&mut self) {
        self.step = Step::Ready;
        self.answered_at = Instant::now();
    }

    /// Waits for an answer that nobody needs any more; `None` if it does not come soon.
    pub(super) async fn drained(mut self) -> Option<Self> {
        timeout(LIMIT, self.connection.ping()).await.ok()?.ok()?;
        self.answered();
        Some(self)
    }

    /// Closes it with a good-bye, without which the server may log an error. Does not wait long: the
    /// flow may be dead.
    pub(super) async fn close(self) {
        // Nothing was asked, so nothing can be lost with a close that fails.
        timeout(LIMIT, self.connection.close()).await.ok();
    }
}
