//! A limit that a request exceeds.

use std::time::Duration;

use super::{Count, LimitName, Rate};

/// How long a client waits for the end of one of its exports, before it tries again.
const WAIT_FOR_EXPORT: Duration = Duration::from_secs(5);
/// How long a client waits for the expiry of files, before it tries again.
const WAIT_FOR_EXPIRY: Duration = Duration::from_mins(1);

/// The limit that a request exceeds, and when to try again. `Display` is the message for the consumer: it
/// names the limit and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Too many requests of one API key.
    #[error("the limit of requests per API key is {rate}: try again in {} s", seconds(*.retry_after))]
    Requests {
        /// The limit.
        rate: Rate,
        /// When the next request is allowed.
        retry_after: Duration,
    },
    /// Too many creates of a project.
    #[error("the limit of creates per project is {rate}: try again in {} s", seconds(*.retry_after))]
    Creates {
        /// The limit.
        rate: Rate,
        /// When the next create is allowed.
        retry_after: Duration,
    },
    /// Too many pending and processing exports.
    #[error(
        "the limit of pending and processing exports per project is {0}: wait until one of them has ended"
    )]
    Active(Count),
    /// Too many bytes in completed files.
    #[error(
        "the limit of stored bytes per project is {0}: delete exports, or wait until files have expired"
    )]
    StoredBytes(Count),
    /// Too many waiting and event-stream requests.
    #[error(
        "the limit of waiting and event-stream requests at a time per project is {0}: end some of them"
    )]
    Streams(Count),
}

impl Exceeded {
    /// Which limit.
    #[must_use]
    pub const fn limit(&self) -> LimitName {
        match self {
            Self::Requests { .. } => LimitName::Requests,
            Self::Creates { .. } => LimitName::Creates,
            Self::Active(_) => LimitName::Active,
            Self::StoredBytes(_) => LimitName::StoredBytes,
            Self::Streams(_) => LimitName::Streams,
        }
    }

    /// How much is allowed.
    #[must_use]
    pub const fn quota(&self) -> u64 {
        match self {
            Self::Requests { rate, .. } | Self::Creates { rate, .. } => rate.count().get() as u64,
            Self::Active(most) | Self::StoredBytes(most) | Self::Streams(most) => most.get(),
        }
    }

    /// The time that the quota is for, if it is a rate.
    #[must_use]
    pub const fn window(&self) -> Option<Duration> {
        match self {
            Self::Requests { rate, .. } | Self::Creates { rate, .. } => Some(rate.period()),
            Self::Active(_) | Self::StoredBytes(_) | Self::Streams(_) => None,
        }
    }

    /// When to try again, in whole seconds: 1 or more.
    #[must_use]
    pub fn retry_after_seconds(&self) -> u64 {
        match self {
            Self::Requests { retry_after, .. } | Self::Creates { retry_after, .. } => {
                seconds(*retry_after)
            }
            Self::Active(_) | Self::Streams(_) => seconds(WAIT_FOR_EXPORT),
            Self::StoredBytes(_) => seconds(WAIT_FOR_EXPIRY),
        }
    }
}

/// Rounded up: a client that waits this long is not refused again.
fn seconds(duration: Duration) -> u64 {
    let started = u64::from(duration.subsec_nanos() > 0);
    (duration.as_secs() + started).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_limit_and_its_value() {
        let creates = Exceeded::Creates {
            rate: "60/1m".parse().unwrap(),
            retry_after: Duration::from_millis(12_001),
        };
        assert_eq!(
            creates.to_string(),
            "the limit of creates per project is 60/1m: try again in 13 s"
        );
        assert_eq!(creates.quota(), 60);
        assert_eq!(creates.window(), Some(Duration::from_mins(1)));
        let active = Exceeded::Active("1000".parse().unwrap());
        assert!(active.to_string().contains("exports per project is 1000:"));
        assert_eq!((active.quota(), active.window()), (1000, None));
    }

    #[test]
    fn waiting_takes_whole_seconds_and_at_least_one() {
        let rate = "200/s".parse().unwrap();
        for (milliseconds, whole) in [(0, 1), (5, 1), (1000, 1), (1001, 2)] {
            let retry_after = Duration::from_millis(milliseconds);
            let requests = Exceeded::Requests { rate, retry_after };
            assert_eq!(requests.retry_after_seconds(), whole);
        }
    }
}
