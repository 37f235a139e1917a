//! The queue of exports: claims, queue hints, leases, notifications, depth.

mod changes;
mod claim;
mod depth;
mod finish;
mod hints;
mod lease;
mod notify;
mod progress;
mod unanswered_claim;

pub use changes::{Change, Changes};
pub use claim::{Claim, ClaimRequest};
pub use depth::{QueueDepth, QueueState};
pub use finish::FinishedFile;
pub use hints::QueueHints;
pub use lease::{Leased, Progress};
pub use notify::{ChangeListener, Notifications, QueueListener};
pub use progress::ProgressReport;
