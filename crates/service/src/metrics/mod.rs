//! What the programs count and measure, as text for Prometheus.
//!
//! [`Registry`] makes metrics and gives their text; [`Label`] ties a label to the values that it
//! can have; [`DatabaseMetrics`] are the same for every program; [`routes`] answers a scrape. What
//! a program counts of its own work stands in that program.
//!
//! Metrics are values that are handed on: nothing is global. Names follow Prometheus' conventions:
//! base units, `_total` for counters. A label never holds an id, an address, or anything else that
//! a stranger can choose, so that the number of series is bounded.

mod database;
mod label;
mod registry;
mod scrape;

pub use database::DatabaseMetrics;
pub use label::{Counters, Gauges, Histograms, Label};
pub use prometheus::{HistogramVec, IntCounter, IntGauge};
pub use registry::Registry;
pub use scrape::{Sample, routes};
