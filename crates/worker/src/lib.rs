//! The worker claims exports from the queue, writes their files and cleans up.
//!
//! `worker` runs the process, and `start` opens its dependencies. `claim_loop` claims exports for `slots`. `job` runs one
//! export under its lease, and `pipeline` moves the rows from the source to the object store. `background`
//! has the janitor and watches the queue. `health` answers probes and scrapes, and `metrics` has the metrics.

mod background;
mod claim_loop;
mod context;
mod health;
mod healthcheck;
mod job;
mod lease_checks;
mod metrics;
mod pipeline;
mod slots;
mod start;
mod worker;

pub use healthcheck::HealthCheck;
pub use pipeline::encode_error::EncodeError;
pub use pipeline::encoder::Encoder;
pub use start::Settings;
pub use worker::Worker;
