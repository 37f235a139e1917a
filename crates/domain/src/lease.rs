//! A worker's right to write one export's file, for a limited time.

use crate::ids::{ExportId, LeaseToken};

/// What a worker shows with every write: which export, and by which claim.
///
/// A worker's name or the number of its attempt would be no fence: after a takeover both can be
/// the same again. When the lease ends is known to the database alone; the holder stops itself
/// earlier, by a clock that never jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The export that is held.
    pub export: ExportId,
    /// The claim that holds it.
    pub token: LeaseToken,
}
