//! An open connection and its state.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, timeout};

/// The limit for draining and for closing a connection.
const LIMIT: Duration = Duration::from_secs(1);

/// An open connection and its state.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) state: State,
    pub(super) opened_at: Instant,
    pub(super) answered_at: Instant,
    /// When its server was last found suitable; `None` if that must be checked.
    pub(super) checked_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// All statements are answered.
    Ready,
    /// A statement is running.
    Busy,
    /// It failed, did not answer in time, or has an unsuitable server.
    Broken,
}

impl Session {
    pub(super) fn new(connection: PgConnection) -> Self {
        let now = Instant::now();
        Self {
            connection,
            state: State::Ready,
            opened_at: now,
            answered_at: now,
            checked_at: None,
        }
    }

    /// Records an answer.
    pub(super) fn answered(&mut self) {
        self.state = State::Ready;
        self.answered_at = Instant::now();
    }

    /// Reads an answer that is not needed any more; `None` if it does not come soon.
    pub(super) async fn drained(mut self) -> Option<Self> {
        timeout(LIMIT, self.connection.ping()).await.ok()?.ok()?;
        self.answered();
        Some(self)
    }

    /// Closes it with a `Terminate` message, without which the server may log an error. The time is
    /// limited, because the connection may be dead.
    pub(super) async fn close(self) {
        // No statement is open, so an error of the close loses nothing.
        timeout(LIMIT, self.connection.close()).await.ok();
    }
}
