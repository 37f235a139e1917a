//! The worker: takes exports from the queue, writes their files, sweeps what has ended.
//!
//! `worker` tells its life; `claim_loop` takes exports, `attempt` sees one through under its lease
//! (`heartbeat`), `export` is the work itself: `slicer` cuts its time into slices, `readers` read these
//! at the same time, each by `reader` → `encoder` (`cells`, `endpoint_cells`, `csv`), `window` puts them
//! together in order, `output` is the file. `janitor` sweeps, `surveyor` and `wakeup` know where and when
//! to look for work, `health` answers probes and scrapes, `metrics` is what
//! is counted for these, and `healthcheck` is a probe.

mod attempt;
mod buffers;
mod cells;
mod claim_loop;
mod csv;
mod encoder;
mod endpoint_cells;
mod export;
mod failing;
mod health;
mod healthcheck;
mod heartbeat;
mod janitor;
mod metrics;
mod output;
mod progress;
mod reader;
mod readers;
mod sessions;
mod slicer;
mod start;
mod surveyor;
mod wakeup;
mod window;
mod worker;

pub use encoder::{EncodeError, Encoder, header};
pub use endpoint_cells::{EndpointCells, UrlSource};
pub use healthcheck::HealthCheck;
pub use start::{Settings, StartError};
pub use worker::Worker;
