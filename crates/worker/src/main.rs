//! The program `exports-worker`.

use std::process::ExitCode;

use exports_worker::{HealthCheck, Settings, Worker};

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(outcome) = exports_service::healthcheck::run(HealthCheck::target) {
        return outcome;
    }
    let settings: Settings = exports_service::settings::parse();
    let ended = match Worker::start(settings).await {
        Ok(worker) => worker.run().await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => {
            exports_service::logging::flush_logs();
            ExitCode::SUCCESS
        }
        Err(error) => {
            exports_service::logging::print_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
