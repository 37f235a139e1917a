//! What operators see of the queue, and how they override it.

mod jobs;
mod override_job;

pub use jobs::{Job, JobsRequest};
pub use override_job::Overridden;
