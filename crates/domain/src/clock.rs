//! The machine's wall clock. `clippy.toml` forbids `Utc::now` elsewhere.
//!
//! Leases, expiry and all stored times use the database's clock. This clock is for signed links and
//! for comparing clocks.

use chrono::{DateTime, Utc};

/// A wall clock in UTC. Tests replace it.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
