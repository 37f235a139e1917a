//! The filter that selects the messages of an export.

use chrono::{DateTime, Utc};

use crate::choice::Choice;
use crate::ids::EndpointId;
use crate::named_enum::named_enum;
use crate::time::truncate_to_micros;

named_enum! {
    /// The direction of a message, as seen from the project.
    #[derive(Default)]
    enum Direction: "snake_case" {
        /// From the project to its endpoints.
        #[default]
        Outbound,
        /// From external senders to the inbound endpoints of the project.
        Inbound,
    }
}

impl Direction {
    /// The name of the time by which exports select messages.
    #[must_use]
    pub const fn time_column(self) -> &'static str {
        match self {
            Self::Outbound => "created_at",
            Self::Inbound => "received_at",
        }
    }
}

named_enum! {
    /// The delivery status of a message.
    enum MessageStatus: "snake_case" {
        /// Accepted, no attempt yet.
        Queued,
        /// An attempt is running.
        Delivering,
        /// Delivered.
        Succeeded,
        /// The latest attempt failed; another one follows.
        PendingRetry,
        /// Failed, without further attempts.
        FailedPermanent,
    }
}

/// The end of a range is not after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the end of the range must be after its start")]
pub struct RangeError;

/// A range of time, both ends inclusive, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl TimeRange {
    /// Truncates both ends to microseconds, as in the database. `end` must then be after `start`.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Self, RangeError> {
        let (start, end) = (truncate_to_micros(start), truncate_to_micros(end));
        if end <= start {
            return Err(RangeError);
        }
        Ok(Self { start, end })
    }

    /// The start, inclusive.
    #[must_use]
    pub const fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// The end, inclusive.
    #[must_use]
    pub const fn end(&self) -> DateTime<Utc> {
        self.end
    }
}

/// Selects messages of a project.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageFilter {
    /// Range of the creation time (inbound: of the time of receipt).
    pub range: TimeRange,
    /// The direction.
    pub direction: Direction,
    /// Only messages with these statuses.
    pub status: Choice<MessageStatus>,
    /// Only messages of these endpoints, which have the same direction.
    pub endpoint: Choice<EndpointId>,
}
