//! The metrics of the API.

mod labels;
mod requests;
mod server;

pub(crate) use labels::{KeyLookup, KeyRefusal};
pub(crate) use requests::{ApiMetrics, measure, method_label};
pub(crate) use server::MetricsServer;
