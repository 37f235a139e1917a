//! Limits of a consumer: how many requests, creates, active exports and stored bytes are allowed.
//!
//! The defaults of all projects come from the settings of the API. A project can have its own value of
//! each limit ([`LimitOverrides`]).

mod exceeded;
mod rate;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

pub use exceeded::Exceeded;
pub use rate::Rate;

use crate::named_enum::named_enum;

named_enum! {
    /// The name of a limit, as in metrics, in `RateLimit` headers and in `exportctl`.
    enum LimitName: "snake_case" {
        /// Requests of one API key, per API process.
        Requests,
        /// Creates of a project, over all API processes.
        Creates,
        /// Pending and processing exports of a project.
        Active,
        /// Bytes of a project's files that are completed and not expired.
        StoredBytes,
        /// Waiting and event-stream requests of a project at a time, per API process.
        Streams,
    }
}

/// An invalid limit. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Not a rate.
    #[error(
        "must be a number and a time such as 200/s or 60/1m (1 to 1000000 in 1 second to 1 day), or off"
    )]
    Rate,
    /// Not a count.
    #[error("must be a whole number from 1, or off")]
    Count,
}

/// A limit that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit<T> {
    /// No limit.
    Off,
    /// At most this.
    At(T),
}

impl<T> Limit<T> {
    /// The value; `None` if the limit is off.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::At(value) => Some(value),
        }
    }
}

impl<T: FromStr<Err = LimitError>> FromStr for Limit<T> {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        match text {
            "off" => Ok(Self::Off),
            value => value.parse().map(Self::At),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(value) => value.fmt(f),
        }
    }
}

/// A number of exports or bytes that a project may have. It fits into a `bigint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(NonZeroU64);

impl Count {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The number as a parameter of a statement.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0.get().cast_signed()
    }
}

impl FromStr for Count {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        // `parse` alone accepts a plus sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<i64> = text.parse().ok().filter(|_| digits);
        number
            .and_then(|number| NonZeroU64::new(number.unsigned_abs()))
            .map(Self)
            .ok_or(LimitError::Count)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All limits of a project and of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one API key, per API process.
    pub requests: Limit<Rate>,
    /// Creates of the project.
    pub creates: Limit<Rate>,
    /// Its pending and processing exports.
    pub active: Limit<Count>,
    /// Bytes of its completed files.
    pub stored_bytes: Limit<Count>,
}

impl Limits {
    /// No limits at all.
    pub const OFF: Self = Self {
        requests: Limit::Off,
        creates: Limit::Off,
        active: Limit::Off,
        stored_bytes: Limit::Off,
    };

    /// These limits, with the values of a project where it has its own.
    #[must_use]
    pub fn with(self, overrides: LimitOverrides) -> Self {
        Self {
            requests: overrides.requests.unwrap_or(self.requests),
            creates: overrides.creates.unwrap_or(self.creates),
            active: overrides.active.unwrap_or(self.active),
            stored_bytes: overrides.stored_bytes.unwrap_or(self.stored_bytes),
        }
    }
}

/// The limits that a project has of its own. `None`: the default applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    /// Requests of one API key, per API process.
    pub requests: Option<Limit<Rate>>,
    /// Creates of the project.
    pub creates: Option<Limit<Rate>>,
    /// Its pending and processing exports.
    pub active: Option<Limit<Count>>,
    /// Bytes of its completed files.
    pub stored_bytes: Option<Limit<Count>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Result<Limit<Count>, LimitError> {
        text.parse()
    }

    #[test]
    fn a_count_is_a_positive_whole_number_or_off() {
        assert_eq!(count("1000").unwrap().value().unwrap().get(), 1000);
        assert_eq!(count("off"), Ok(Limit::Off));
        assert_eq!(count("off").unwrap().to_string(), "off");
        let largest = count("9223372036854775807").unwrap().value().unwrap();
        assert_eq!(largest.as_i64(), i64::MAX);
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            "1.5",
            "1k",
            "Off",
            "9223372036854775808",
        ] {
            assert_eq!(count(bad), Err(LimitError::Count), "{bad}");
        }
    }

    #[test]
    fn an_override_replaces_only_its_limit() {
        let defaults = Limits {
            requests: "200/s".parse().unwrap(),
            active: "1000".parse().unwrap(),
            ..Limits::OFF
        };
        let overrides = LimitOverrides {
            requests: Some(Limit::Off),
            creates: Some("60/1m".parse().unwrap()),
            ..LimitOverrides::default()
        };
        let limits = defaults.with(overrides);
        assert_eq!(limits.requests, Limit::Off);
        assert_eq!(limits.creates.to_string(), "60/1m");
        assert_eq!(limits.active, defaults.active);
        assert_eq!(limits.stored_bytes, Limit::Off);
    }
}
