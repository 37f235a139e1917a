//! The program `exports-api`.

use std::process::ExitCode;

use exports_api::{Server, Settings};

#[tokio::main]
async fn main() -> ExitCode {
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
