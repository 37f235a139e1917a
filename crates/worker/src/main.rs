//! The program `exports-worker`.

use std::process::ExitCode;

use exports_worker::{Settings, Worker};

#[tokio::main]
async fn main() -> ExitCode {
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
