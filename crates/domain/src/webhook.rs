//! Webhooks: their ids, events and states, and when a delivery is retried.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

use crate::ids::IdError;
use crate::named_enum::named_enum;

/// The maximum number of webhooks in a project.
pub const MAX_WEBHOOKS: usize = 10;

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                crate::ids::parse_hyphenated(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// The id of a webhook. Generated ids are UUIDv7.
    WebhookId
}

impl WebhookId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

uuid_id! {
    /// The id of a delivery: one event for one webhook.
    DeliveryId
}

named_enum! {
    /// What a delivery reports.
    enum WebhookEvent: "snake_case" {
        /// An export has completed.
        #[strum(serialize = "export.completed")]
        Completed,
        /// An export has failed.
        #[strum(serialize = "export.failed")]
        Failed,
        /// The file of an export has expired.
        #[strum(serialize = "export.expired")]
        Expired,
        /// Nothing happened: the consumer tests the webhook.
        #[strum(serialize = "export.test")]
        Test,
    }
}

impl WebhookEvent {
    /// The events that a webhook can receive by itself.
    pub const SUBSCRIBABLE: [Self; 3] = [Self::Completed, Self::Failed, Self::Expired];
    /// The events of a webhook that is created without a list.
    pub const DEFAULT: [Self; 2] = [Self::Completed, Self::Failed];
}

named_enum! {
    /// Whether a webhook receives events.
    enum WebhookStatus: "snake_case" {
        /// It does.
        Enabled,
        /// It receives only tests.
        Disabled,
    }
}

named_enum! {
    /// Why a webhook is disabled.
    enum DisabledReason: "snake_case" {
        /// The receiver answered 410.
        Gone,
        /// Every delivery failed for 5 days.
        Failing,
        /// An operator disabled it.
        Operator,
    }
}

named_enum! {
    /// The state of a delivery.
    enum DeliveryStatus: "snake_case" {
        /// It is sent, or will be.
        Pending,
        /// The receiver answered 2xx.
        Delivered,
        /// No attempt is left.
        Failed,
    }
}

/// The pauses after failed attempts. The attempt after the last one is the last.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// The pause after attempt number `attempt` of a delivery, without jitter. `None`: it was the last one.
#[must_use]
pub fn pause_after_delivery(event: WebhookEvent, attempt: u32) -> Option<Duration> {
    match event {
        // Its result should be known at once.
        WebhookEvent::Test => None,
        WebhookEvent::Completed | WebhookEvent::Failed | WebhookEvent::Expired => {
            let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
            PAUSES.get(index).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_their_names() {
        assert_eq!(
            WebhookEvent::NAMES,
            [
                "export.completed",
                "export.failed",
                "export.expired",
                "export.test"
            ]
        );
        assert_eq!("export.failed".parse(), Ok(WebhookEvent::Failed));
    }

    #[test]
    fn a_delivery_has_ten_attempts_over_three_days_and_a_test_has_one() {
        let pauses: Vec<_> = (1..)
            .map_while(|attempt| pause_after_delivery(WebhookEvent::Completed, attempt))
            .collect();
        assert_eq!(pauses.len(), 9);
        assert!(pauses.is_sorted());
        let total: Duration = pauses.iter().sum();
        assert!(total > Duration::from_hours(75) && total < Duration::from_hours(76));
        assert_eq!(pause_after_delivery(WebhookEvent::Test, 1), None);
    }
}
