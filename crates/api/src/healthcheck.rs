//! The command `exports-api healthcheck`.

use clap::Parser;
use exports_service::healthcheck::Target;
use exports_service::settings::ApiSettings;

/// Checks whether the running API is ready: exits with 0 if it is, with 1 if it is not
#[derive(Debug, Parser)]
#[command(name = "exports-api healthcheck")]
pub struct HealthCheck {
    #[command(flatten)]
    api: ApiSettings,
}

impl HealthCheck {
    /// The listener of the API with this environment.
    pub fn target(self) -> Result<Target, String> {
        Ok(Target {
            address: self.api.listen,
            tls: self.api.tls_cert.is_some(),
        })
    }
}
