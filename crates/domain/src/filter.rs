//! The filter that selects the messages of an export.

use chrono::{DateTime, Utc};

use crate::ids::EndpointId;
use crate::time::truncate_to_micros;

/// A name that an enum does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not one of {known}")]
pub struct UnknownName {
    name: String,
    known: String,
}

impl UnknownName {
    /// The error for a name that `E` does not have.
    pub(crate) fn among<E: strum::VariantNames>(name: &str) -> Self {
        Self {
            name: name.chars().take(64).collect(),
            known: E::VARIANTS.join(", "),
        }
    }

    /// The valid names, joined by commas.
    #[must_use]
    pub fn known(&self) -> &str {
        &self.known
    }
}

/// The direction of a message, as seen from the project.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = UnknownName::among::<Direction>
)]
pub enum Direction {
    /// From the project to its endpoints.
    #[default]
    Outbound,
    /// From external senders to the inbound endpoints of the project.
    Inbound,
}

impl Direction {
    /// Both directions.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// All names.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The delivery status of a message.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = UnknownName::among::<MessageStatus>
)]
pub enum MessageStatus {
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

impl MessageStatus {
    /// Every status.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// All names.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in the API, in the database and in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
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
    /// Only messages with this status.
    pub status: Option<MessageStatus>,
    /// Only messages of this endpoint, which has the same direction.
    pub endpoint: Option<EndpointId>,
}
