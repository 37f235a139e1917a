//! The layers that requests pass through.

pub(crate) mod auth;
pub(crate) mod timeout;
