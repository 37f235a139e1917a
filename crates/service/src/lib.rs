//! Code that both services share: settings, logging, outages, the rights of the database roles, the HTTP server, the health probe, the metrics registry, traces, and
//! start-up.

pub mod descriptors;
pub mod healthcheck;
pub mod http_server;
pub mod logging;
pub mod metrics;
pub mod outage;
pub mod readiness;
pub mod rights;
pub mod settings;
pub mod start;
pub mod traces;
pub mod webhooks;
