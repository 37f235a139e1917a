//! Runs one export from its claim to its recorded outcome.

mod attempt;
mod completion;
mod error;
mod export;
mod file_format;
mod heartbeat;
mod progress;
mod read_plan;
mod reporter;
mod time_limit;

pub(crate) use attempt::Attempt;
pub(crate) use error::{AttemptError, JobError};
pub(crate) use progress::SharedProgress;
