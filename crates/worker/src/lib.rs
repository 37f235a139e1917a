//! The worker: claims exports from the queue, writes their files, cleans up.
//!
//! `worker` is the life of the process, `claim_loop` claims exports, `job` runs one of them under its
//! lease, `pipeline` carries the rows from the source to the object store, `background` cleans up and
//! watches the queue. `start` opens what a worker needs, `health` answers probes and scrapes,
//! `metrics` is what is counted for these.

mod background;
mod claim_loop;
mod context;
mod health;
mod healthcheck;
mod job;
mod metrics;
mod pipeline;
mod start;
mod worker;

pub use healthcheck::HealthCheck;
pub use pipeline::encoder::{EncodeError, Encoder};
pub use start::Settings;
pub use worker::Worker;
