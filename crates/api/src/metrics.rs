//! The metrics of the API.

mod requests;
mod server;

pub(crate) use requests::{ApiMetrics, measure};
pub(crate) use server::MetricsServer;
