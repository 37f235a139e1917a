//! The program `exports-api`.

use std::process::ExitCode;

use exports_api::{HealthCheck, Server, Settings};

// A request makes about 100 small allocations on several threads. With the allocator of the C library they took 20 % of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(outcome) = exports_service::healthcheck::run(HealthCheck::target) {
        return outcome;
    }
    let settings: Settings = exports_service::settings::parse();
    let ended = match Server::start(settings).await {
        Ok(server) => server.run().await,
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
