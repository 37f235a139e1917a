//! `exports-api healthcheck`: which address it asks.

use std::net::SocketAddr;

use clap::Parser;
use exports_service::settings::ApiSettings;

/// Asks the running API whether it is ready: exits with 0 if it is, with 1 if it is not
#[derive(Debug, Parser)]
#[command(name = "exports-api healthcheck")]
pub struct HealthCheck {
    #[command(flatten)]
    api: ApiSettings,
}

impl HealthCheck {
    /// The address that the API of this environment listens on.
    pub fn address(self) -> Result<SocketAddr, String> {
        Ok(self.api.listen)
    }
}
