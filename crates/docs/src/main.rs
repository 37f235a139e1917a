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

use anyhow::{Context, Result};
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
    match run(&Arguments::parse()).await {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether a page is stale and was not written.
async fn run(arguments: &Arguments) -> Result<bool> {
    let system = System::observe().await?;
    let pages = [
        configuration::page(),
        http::page(&system.openapi),
        metrics::page(&system.api_metrics, &system.worker_metrics),
        command_line::page(&system.command_line),
    ];
    let mut is_stale = false;
    for page in pages {
        if !page.is_stale().context(page.path)? {
            continue;
        }
        if arguments.check {
            eprintln!(
                "{} is not what the code says: run `make docs` and commit it",
                page.path
            );
            is_stale = true;
        } else {
            page.write().context(page.path)?;
            println!("wrote {}", page.path);
        }
    }
    Ok(is_stale)
}
