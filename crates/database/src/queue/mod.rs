//! The queue of exports: claims, queue hints, leases, notifications, depth.

mod claim;
mod depth;
mod finish;
mod hints;
mod lease;
mod notify;

pub use claim::{Claim, ClaimRequest};
pub use depth::{QueueDepth, QueueState};
pub use finish::FinishedFile;
pub use hints::QueueHints;
pub use lease::{Leased, Progress};
pub use notify::{Notified, QueueListener};
