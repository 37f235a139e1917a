//! The rules of exports, without any I/O: what an export is, which states it goes through, which
//! messages it takes, how its ids and times are written.
//!
//! Everything else depends on this crate and this crate depends on nothing of ours.

mod clock;
mod error_line;
mod export;
mod failure;
mod filter;
mod ids;
mod lease;
mod message;
mod retry;
mod status;
pub mod time;

pub use clock::{Clock, SystemClock};
pub use error_line::error_line;
pub use export::{Export, ExportFile, ExportState};
pub use failure::{Failure, FailureCode};
pub use filter::{Direction, MessageFilter, MessageStatus, RangeError, TimeRange, UnknownName};
pub use ids::{EndpointId, ExportId, IdError, LeaseToken, ProjectId};
pub use lease::Lease;
pub use message::{MessageRow, PgTimestamp};
pub use retry::RetryPolicy;
pub use status::ExportStatus;
