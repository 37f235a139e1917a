//! The metrics of the API.

mod requests;
mod server;

pub(crate) use requests::{ApiMetrics, measure, method_label};
pub(crate) use server::MetricsServer;
