//! What a worker does besides its exports: the janitor, notifications, queue hints and webhooks.

pub(crate) mod janitor;
pub(crate) mod notify;
pub(crate) mod queue_hints;
pub(crate) mod webhooks;
