//! What both services share: their settings, logs, health probe and metrics registry, and how they
//! open what they depend on.

pub mod healthcheck;
pub mod logging;
pub mod metrics;
pub mod settings;
pub mod start;
