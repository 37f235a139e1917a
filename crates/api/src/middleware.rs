//! The layers that requests pass.
//!
//! Thousands of requests wait at a time, and each holds the futures of all its layers. An `async fn` around `next.run(request)`
//! keeps the request twice: as its own argument and inside of `next`. So a layer is a function of the request
//! (`map_request_with_state`) or passes the request on before it returns a future for the response.

pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod cors;
pub(crate) mod panics;
pub(crate) mod rate_limit;
pub(crate) mod request_span;
pub(crate) mod starting;
pub(crate) mod store_outage;
pub(crate) mod timeout;
