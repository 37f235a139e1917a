//! The program `exports-api`.

use std::process::ExitCode;

use exports_api::{HealthCheck, Server, Settings};

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(outcome) = exports_healthcheck::run(HealthCheck::address) {
        return outcome;
    }
    let settings: Settings = exports_settings::parse();
    match Server::start(settings).await {
        Ok(server) => {
            server.run().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
