//! Webhooks and their deliveries. A trigger on `exports` writes the deliveries: see migration 0013.

mod claim;
mod deliveries;
mod failing;
mod manage;
mod operator;
mod results;
mod retention;
mod row;
mod secret;

pub use claim::{ClaimedDelivery, DeliveryClaims, DeliveryRequest, WebhookUse};
pub use deliveries::Delivery;
pub use failing::WebhookHealth;
pub use manage::{CreatedWebhook, NewWebhook};
pub use operator::ListedWebhook;
pub use results::FailedDelivery;
pub use row::Webhook;
pub use secret::WebhookSecret;
