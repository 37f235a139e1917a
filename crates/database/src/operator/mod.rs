//! What operators see of the queue, and their overrides.

mod jobs;
mod override_job;
mod reconcile;

pub use jobs::{Job, JobsRequest};
pub use override_job::Overridden;
pub use reconcile::{ExpectedFile, FoundObject};
