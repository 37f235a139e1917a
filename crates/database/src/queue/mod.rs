//! The queue of exports: claims and where they begin, leases, notifications, and its length.

mod claim;
mod depth;
mod hints;
mod lease;
mod notify;

pub use claim::{Claim, ClaimRequest};
pub use depth::{QueueDepth, QueueState};
pub use hints::Survey;
pub use lease::{Completed, Fenced, FileFacts, Progress};
pub use notify::QueueListener;
