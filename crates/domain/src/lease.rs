//! The lease: a worker's right to process one export for a limited time.

use crate::ids::{ExportId, LeaseToken};

/// Every write of a worker carries it.
///
/// The worker's name or the attempt number would not fence: both can be the same after a takeover. Only
/// the database decides when a lease expires. The worker stops earlier, by its monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The export.
    pub export: ExportId,
    /// The token of the claim.
    pub token: LeaseToken,
}
