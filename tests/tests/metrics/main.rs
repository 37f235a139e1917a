//! `/metrics` of the programs. The dashboard and the alert rules may only use these metrics.

mod deployed;
mod events;
mod logs;
mod outages;
mod service;
