//! `exports-worker healthcheck`: the address that it probes.

use clap::Parser;
use exports_service::healthcheck::Target;
use exports_service::settings::WorkerSettings;

/// Checks whether the running worker is ready: exits with 0 if it is, with 1 if not
#[derive(Debug, Parser)]
#[command(name = "exports-worker healthcheck")]
pub struct HealthCheck {
    #[command(flatten)]
    worker: WorkerSettings,
}

impl HealthCheck {
    /// The health listener of the worker with this environment.
    pub fn target(self) -> Result<Target, String> {
        let address = self.worker.health_listen.ok_or_else(|| {
            "EXPORTS_HEALTH_LISTEN must be set, to the same address for the worker and for its health check"
                .to_owned()
        })?;
        Ok(Target {
            address,
            tls: false,
        })
    }
}
