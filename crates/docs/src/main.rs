//! `exports-docs`: writes the reference pages of the book that are generated, or checks that they are current.
//!
//! - `configuration` writes the table of `docs/configuration.md` from the settings of the programs (`clap`).
//! - `http` writes `docs/reference/http.md` from `/openapi.json`.
//! - `metrics` writes `docs/reference/metrics.md` from `/metrics` of both services.
//! - `command_line` writes `docs/reference/exportctl.md`, which `exportctl` prints.
//!
//! `system` runs the programs on a private PostgreSQL. `markdown` escapes texts.

mod command_line;
mod configuration;
mod http;
mod markdown;
mod metrics;
mod page;
mod system;

use std::process::ExitCode;

use clap::Parser;

use system::System;

/// Writes the generated reference pages below docs/. Run it in the root of the repository.
#[derive(Debug, Parser)]
#[command(name = "exports-docs")]
struct Arguments {
    /// Writes nothing. Fails if a page is not what would be written.
    #[arg(long)]
    check: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let system = System::observe().await;
    let pages = [
        configuration::page(),
        http::page(&system.openapi),
        metrics::page(&system.api_metrics, &system.worker_metrics),
        command_line::page(),
    ];
    let mut stale = false;
    for page in pages {
        let changed = if arguments.check {
            page.is_stale()
        } else {
            page.write()
        };
        match changed {
            Ok(false) => {}
            Ok(true) if arguments.check => {
                eprintln!(
                    "{} is not what the code says: run `make docs` and commit it",
                    page.path
                );
                stale = true;
            }
            Ok(true) => println!("wrote {}", page.path),
            Err(error) => {
                eprintln!("error: {}: {error}", page.path);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::from(u8::from(stale))
}
