//! Code that both services share: settings, logging, outages, the health probe, the metrics registry, and
//! start-up.

pub mod healthcheck;
pub mod logging;
pub mod metrics;
pub mod outage;
pub mod settings;
pub mod start;
