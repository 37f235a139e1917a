//! The worker: takes exports from the queue, writes their files, sweeps what has ended.
//!
//! `worker` tells its life; `claim_loop` takes exports, `attempt` sees one through under its lease
//! (`heartbeat`), `export` is the work itself: `reader` → `encoder` (`cells`) → `output`.
//! `janitor` sweeps, `surveyor` and `wakeup` know where and when to look for work, `health` answers probes and scrapes, `metrics` is what
//! is counted for these, and `healthcheck` is a probe.

mod attempt;
mod cells;
mod claim_loop;
mod encoder;
mod export;
mod failing;
mod health;
mod healthcheck;
mod heartbeat;
mod janitor;
mod metrics;
mod output;
mod part_buffers;
mod progress;
mod reader;
mod sessions;
mod start;
mod surveyor;
mod wakeup;
mod worker;

pub use encoder::{Encoder, UrlSource};
pub use healthcheck::HealthCheck;
pub use start::{Settings, StartError};
pub use worker::Worker;
