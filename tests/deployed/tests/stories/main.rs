//! End-to-end: what is deployed, driven as consumers drive it, under the faults of a cluster.

mod database;
mod files;
mod lost_workers;
mod secrets;
mod store;
mod workers;

/// Short, so that takeovers come soon.
const LEASE: std::time::Duration = std::time::Duration::from_secs(4);

/// One worker after another is added by the story; each with the short lease.
fn with_short_leases() -> exports_deployed::Plan {
    exports_deployed::Plan::without_workers().worker_env("EXPORTS_LEASE", "4s")
}
