//! The layers that requests pass.

pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod cors;
pub(crate) mod panics;
pub(crate) mod rate_limit;
pub(crate) mod request_span;
pub(crate) mod starting;
pub(crate) mod store_outage;
pub(crate) mod timeout;
