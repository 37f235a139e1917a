//! The queue of exports: claims and where they begin, leases, notifications, and its length.

mod claim;
mod depth;
mod hints;
mod lease;
mod notify;

pub use claim::{Claim, ClaimRequest};
pub use depth::{QueueDepth, QueueState};
pub use hints::QueueHints;
pub use lease::{Completed, Fenced, FinishedFile, Progress};
pub use notify::QueueListener;
