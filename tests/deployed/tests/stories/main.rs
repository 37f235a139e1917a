//! End-to-end tests of a deployment, under the faults of a cluster.

mod compose;
mod database;
mod files;
mod lost_workers;
mod secrets;
mod store;
mod workers;

/// Short, for fast takeovers.
const LEASE: std::time::Duration = std::time::Duration::from_secs(4);

/// The test adds the workers, each with the short lease.
fn with_short_leases() -> exports_deployed::Plan {
    exports_deployed::Plan::without_workers().worker_env("EXPORTS_LEASE", "4s")
}
