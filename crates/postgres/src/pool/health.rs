//! What the failure of one connection says about all connections of a pool.

use std::time::Duration;

use tokio::time::Instant;

use super::session::Session;
use crate::error::ReadOnly;

/// A connection that answered within this time is not checked before its next use. The time is
/// longer than an idle worker's poll interval, so that polling costs one query and not two.
const FRESH: Duration = Duration::from_secs(2);
/// How long a check for writes is valid.
const CHECKED: Duration = Duration::from_secs(5);
/// The maximum age of a connection: its address may lead to another server later.
const LIFETIME: Duration = Duration::from_mins(30);
/// After a new connection was read-only, connecting fails immediately for this time.
const READ_ONLY_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct PoolHealth {
    /// When a request was sent that was never answered. A connection without an answer since then is
    /// dead too.
    unanswered_at: Option<Instant>,
    /// When a connection broke or was read-only. A connection without a check since then needs one.
    suspect_at: Option<Instant>,
    /// When a new connection was read-only.
    read_only: Option<(Instant, ReadOnly)>,
}

/// What to do with an idle connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Use,
    Check,
    Close,
}

impl PoolHealth {
    /// A request that was sent at this time is unanswered, while other connections answer.
    pub(super) fn unanswered(&mut self, sent: Instant) {
        self.unanswered_at = self.unanswered_at.max(Some(sent));
    }

    pub(super) fn suspect(&mut self) {
        self.suspect_at = Some(Instant::now());
    }

    pub(super) fn read_only(&mut self, reason: ReadOnly) {
        self.read_only = Some((Instant::now(), reason));
    }

    /// Whether a new connection was read-only a moment ago.
    pub(super) fn recently_read_only(&self) -> Option<ReadOnly> {
        let (at, reason) = self.read_only?;
        (at.elapsed() < READ_ONLY_PAUSE).then_some(reason)
    }

    pub(super) fn verdict(&self, session: &Session) -> Verdict {
        let is_dead = |unanswered_at| session.answered_at < unanswered_at;
        if session.opened_at.elapsed() > LIFETIME || self.unanswered_at.is_some_and(is_dead) {
            return Verdict::Close;
        }
        let is_checked = session.checked_at.is_some_and(|checked_at| {
            checked_at.elapsed() < CHECKED && Some(checked_at) > self.suspect_at
        });
        if is_checked && session.answered_at.elapsed() < FRESH {
            Verdict::Use
        } else {
            Verdict::Check
        }
    }
}
