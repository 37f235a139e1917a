//! The command `exports-api healthcheck`.

use std::net::SocketAddr;

use clap::Parser;
use exports_service::settings::ApiSettings;

/// Checks whether the running API is ready: exits with 0 if it is, with 1 if it is not
#[derive(Debug, Parser)]
#[command(name = "exports-api healthcheck")]
pub struct HealthCheck {
    #[command(flatten)]
    api: ApiSettings,
}

impl HealthCheck {
    /// The listen address of the API, from the environment variables.
    pub fn address(self) -> Result<SocketAddr, String> {
        Ok(self.api.listen)
    }
}
