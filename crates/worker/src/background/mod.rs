//! What a worker does besides its exports: the janitor, notifications and queue hints.

pub(crate) mod janitor;
pub(crate) mod notify;
pub(crate) mod queue_hints;
