//! The row of a webhook, without its secrets.

use chrono::{DateTime, Utc};
use exports_domain::{DisabledReason, WebhookEvent, WebhookId, WebhookStatus};
use uuid::Uuid;

use crate::error::Error;

/// A webhook as consumers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where deliveries are sent.
    pub url: String,
    /// The events that it receives.
    pub events: Vec<WebhookEvent>,
    /// Whether it receives events.
    pub status: WebhookStatus,
    /// Why it does not.
    pub disabled_reason: Option<DisabledReason>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

pub(super) struct WebhookRow {
    pub(super) id: Uuid,
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) status: String,
    pub(super) disabled_reason: Option<String>,
    pub(super) created_at: DateTime<Utc>,
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = Error;

    fn try_from(row: WebhookRow) -> Result<Self, Error> {
        let id = row.id;
        let reason = row.disabled_reason.as_deref();
        let events = row.events.iter().map(|event| known(id, "events", event));
        Ok(Self {
            id: WebhookId(id),
            url: row.url,
            events: events.collect::<Result<_, _>>()?,
            status: known(id, "status", &row.status)?,
            disabled_reason: reason
                .map(|reason| known(id, "disabled_reason", reason))
                .transpose()?,
            created_at: row.created_at,
        })
    }
}

/// The value with this name, in a column of a webhook or of a delivery.
pub(super) fn known<T: std::str::FromStr>(
    id: Uuid,
    column: &'static str,
    name: &str,
) -> Result<T, Error> {
    name.parse().map_err(|_| Error::Corrupt {
        row: format!("webhook or delivery {id}"),
        column,
        value: name.to_owned(),
    })
}
