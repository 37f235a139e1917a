//! Which messages an export takes.

use chrono::{DateTime, Utc};

use crate::ids::EndpointId;
use crate::time::truncate_to_micros;

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not one of {known}")]
pub struct UnknownName {
    name: String,
    known: String,
}

impl UnknownName {
    /// For a name that is none of an enum's.
    pub(crate) fn among<E: strum::VariantNames>(name: &str) -> Self {
        Self {
            name: name.chars().take(64).collect(),
            known: E::VARIANTS.join(", "),
        }
    }

    /// The names that would have been right, joined by commas.
    #[must_use]
    pub fn known(&self) -> &str {
        &self.known
    }
}

/// Which way the messages go, seen from the tenant's project.
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
    /// From outside to the project's inbound endpoints.
    Inbound,
}

impl Direction {
    /// Both directions.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// Their names.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How far a message got.
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
    /// Accepted, not tried yet.
    Queued,
    /// An attempt is under way.
    Delivering,
    /// The endpoint took it.
    Succeeded,
    /// The last attempt failed, another will follow.
    PendingRetry,
    /// Given up.
    FailedPermanent,
}

impl MessageStatus {
    /// Every status, in the order of a message's life.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// Their names.
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

/// A span of time, both ends included, in whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl TimeRange {
    /// Both ends are cut to whole microseconds, the database's unit; then `end` must be after
    /// `start`.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Self, RangeError> {
        let (start, end) = (truncate_to_micros(start), truncate_to_micros(end));
        if end <= start {
            return Err(RangeError);
        }
        Ok(Self { start, end })
    }

    /// The first moment that is in.
    #[must_use]
    pub const fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// The last moment that is in.
    #[must_use]
    pub const fn end(&self) -> DateTime<Utc> {
        self.end
    }
}

/// Which messages of a project an export takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageFilter {
    /// When they were created (inbound: received).
    pub range: TimeRange,
    /// Which way they went.
    pub direction: Direction,
    /// Only those with this status.
    pub status: Option<MessageStatus>,
    /// Only those of this endpoint, which is one of `direction`.
    pub endpoint: Option<EndpointId>,
}
