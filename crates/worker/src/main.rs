//! The program `exports-worker`.

use std::process::ExitCode;

use exports_worker::{HealthCheck, Settings, Worker};

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(outcome) = exports_healthcheck::run(HealthCheck::address) {
        return outcome;
    }
    let settings: Settings = exports_settings::parse();
    match Worker::start(settings).await {
        Ok(worker) => {
            worker.run().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
