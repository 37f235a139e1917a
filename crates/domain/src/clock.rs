//! The one place that reads the machine's wall clock.
//!
//! Leases, expiry and every stored time use the database's clock. This one is for what has no
//! database at hand: the life of a signed link and the times that a seed starts from.

use chrono::{DateTime, Utc};

/// Tells the wall-clock time, UTC.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
