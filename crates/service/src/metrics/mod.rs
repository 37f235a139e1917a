//! Metrics for Prometheus.
//!
//! [`Registry`] creates metrics and renders them. [`Label`] defines the values of a label. [`routes`]
//! answers a scrape. [`DatabaseMetrics`] are the metrics that every service has.
//!
//! Nothing is global. Names follow the conventions of Prometheus: base units, `_total` for counters. A
//! label value is never an id, an address, or anything else that a client can choose, so the number of
//! series is bounded.

mod database;
mod label;
mod registry;
mod scrape;

pub use database::DatabaseMetrics;
pub use label::{Counters, Gauges, Histograms, Label};
pub use prometheus::{HistogramVec, IntCounter, IntGauge};
pub use registry::Registry;
pub use scrape::{Sample, routes};
