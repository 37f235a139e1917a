//! What a worker does beside its exports: clean up, and know where and when to look for work.

pub(crate) mod janitor;
pub(crate) mod notify;
pub(crate) mod queue_hints;
