//! Where webhooks may lead: the rule for addresses, and for URLs.
//!
//! The API checks the URL of a new webhook. The worker checks it again before each attempt, and each
//! address that a name resolves to before it connects, so a name that resolves to another address later
//! cannot lead to an internal one.

mod address;
mod target;

pub use address::WebhookNetworks;
pub use target::{TargetError, WebhookTarget};
