//! The JSON of webhooks and deliveries.

use exports_database::{Delivery, Webhook, WebhookSecret};
use exports_domain::time::to_wire;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::envelope::Meta;

/// A webhook
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookJson {
    /// Webhook identifier (UUIDv7)
    #[schema(example = "01935abc-def0-7123-4567-890abcdef012")]
    id: Uuid,
    /// Where deliveries are sent
    #[schema(example = "https://example.com/webhooks")]
    url: String,
    /// The events that it receives
    events: Vec<EventSchema>,
    status: StatusSchema,
    /// Why it is disabled: `gone` (the receiver answered 410), `failing` (every delivery failed for 5 days), or `operator`
    #[schema(nullable = false, example = "gone")]
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<&'static str>,
    /// Signs the deliveries. Only in the responses of create and rotate
    #[schema(nullable = false, pattern = "^whsec_[A-Za-z0-9+/]+=*$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// When it was created
    #[schema(format = DateTime, example = "2025-12-06T12:00:00Z")]
    created_at: String,
}

/// What a delivery reports
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = WebhookEvent)]
pub(crate) enum EventSchema {
    #[serde(rename = "export.completed")]
    Completed,
    #[serde(rename = "export.failed")]
    Failed,
    #[serde(rename = "export.expired")]
    Expired,
    #[serde(rename = "export.test")]
    Test,
}

/// `enabled`, or `disabled`: then it receives only tests
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = WebhookStatus)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusSchema {
    Enabled,
    Disabled,
}

impl From<exports_domain::WebhookEvent> for EventSchema {
    fn from(event: exports_domain::WebhookEvent) -> Self {
        use exports_domain::WebhookEvent as Event;
        match event {
            Event::Completed => Self::Completed,
            Event::Failed => Self::Failed,
            Event::Expired => Self::Expired,
            Event::Test => Self::Test,
        }
    }
}

impl From<exports_domain::WebhookStatus> for StatusSchema {
    fn from(status: exports_domain::WebhookStatus) -> Self {
        match status {
            exports_domain::WebhookStatus::Enabled => Self::Enabled,
            exports_domain::WebhookStatus::Disabled => Self::Disabled,
        }
    }
}

impl From<&Webhook> for WebhookJson {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.0,
            url: webhook.url.clone(),
            events: webhook.events.iter().map(|&event| event.into()).collect(),
            status: webhook.status.into(),
            disabled_reason: webhook
                .disabled_reason
                .map(exports_domain::DisabledReason::as_str),
            secret: None,
            created_at: to_wire(webhook.created_at),
        }
    }
}

impl WebhookJson {
    pub(crate) fn with_secret(self, secret: &WebhookSecret) -> Self {
        Self {
            secret: Some(secret.to_text()),
            ..self
        }
    }
}

/// A delivery: one event for one webhook
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct DeliveryJson {
    /// Delivery identifier: the header `webhook-id` of every attempt
    #[schema(example = "550e8400-e29b-41d4-a716-446655440000")]
    id: Uuid,
    event: EventSchema,
    /// The export; absent for a test
    #[schema(nullable = false, example = "01935abc-def0-7123-4567-890abcdef012")]
    #[serde(skip_serializing_if = "Option::is_none")]
    export_id: Option<Uuid>,
    /// The number of attempts so far
    #[schema(example = 1)]
    attempt: u32,
    status: DeliveryStatusSchema,
    /// The status of the latest response; absent if there was none
    #[schema(nullable = false, example = 200)]
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    /// When it is sent next; absent while it is sent and after it has ended
    #[schema(nullable = false, format = DateTime, example = "2025-12-06T12:05:05Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    /// When the event happened
    #[schema(format = DateTime, example = "2025-12-06T12:05:00Z")]
    created_at: String,
}

/// `pending` until the receiver answers 2xx (`delivered`) or no attempt is left (`failed`)
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryStatus)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryStatusSchema {
    Pending,
    Delivered,
    Failed,
}

impl From<&Delivery> for DeliveryJson {
    fn from(delivery: &Delivery) -> Self {
        use exports_domain::DeliveryStatus as Status;
        Self {
            id: delivery.id.0,
            event: delivery.event.into(),
            export_id: delivery.export.map(|export| export.0),
            attempt: delivery.attempt,
            status: match delivery.status {
                Status::Pending => DeliveryStatusSchema::Pending,
                Status::Delivered => DeliveryStatusSchema::Delivered,
                Status::Failed => DeliveryStatusSchema::Failed,
            },
            response_status: delivery.response_status,
            next_attempt_at: delivery.next_attempt_at.map(to_wire),
            created_at: to_wire(delivery.created_at),
        }
    }
}

/// The webhooks of a project
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only the schema of the response")]
pub(crate) struct WebhookList {
    /// The oldest first
    data: Vec<WebhookJson>,
    meta: Meta,
}

/// The latest deliveries of a webhook
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only the schema of the response")]
pub(crate) struct WebhookDeliveryList {
    /// The newest first
    data: Vec<DeliveryJson>,
    meta: Meta,
}
