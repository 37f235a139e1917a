//! One export from its claim to what is recorded of it.

mod attempt;
mod error;
mod export;
mod heartbeat;
mod progress;

pub(crate) use attempt::Attempt;
pub(crate) use error::{JobError, WriteError};
pub(crate) use progress::Counters;
