//! `exports-worker healthcheck`: which address it asks.

use std::net::SocketAddr;

use clap::Parser;
use exports_service::settings::WorkerSettings;

/// Asks the running worker whether it is ready: exits with 0 if it is, with 1 if it is not
#[derive(Debug, Parser)]
#[command(name = "exports-worker healthcheck")]
pub struct HealthCheck {
    #[command(flatten)]
    worker: WorkerSettings,
}

impl HealthCheck {
    /// The address at which the worker of this environment answers probes, if it does.
    pub fn address(self) -> Result<SocketAddr, String> {
        self.worker.health_listen.ok_or_else(|| {
            "EXPORTS_HEALTH_LISTEN must be set, to the same address for the worker and its check"
                .to_owned()
        })
    }
}
