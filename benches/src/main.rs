//! `make bench`: what the service costs, measured on this machine beside what it is compared with.
//!
//! Owns which topics there are and their order. Each has a module of its own; what they need is in
//! [`scene`], what they find out goes into one [`table`].

mod api;
mod export;
mod garage;
mod growth;
mod measured;
mod memory;
mod queue;
mod rows;
mod samples;
mod scene;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use scene::Scene;
use table::Table;

/// Measures the service on a private PostgreSQL and prints one table
#[derive(Debug, Parser)]
struct Arguments {
    /// Everything at a twentieth of its size: to try the benchmarks, not the service
    #[arg(long)]
    quick: bool,
    /// Only these topics
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TOPIC,…")]
    only: Vec<Topic>,
    /// Also writes the table, with the machine and the date, into this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// In the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Topic {
    Export,
    Memory,
    Growth,
    Queue,
    Api,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    // From here on a signal ends what is being measured, and then this program: the scene is
    // dropped in the ordinary way.
    let interrupted = interrupted()?;
    let mut scene = Scene::start(arguments.quick).await?;
    let mut table = Table::new(&scene).await?;
    let measured = tokio::select! {
        measured = measure(&arguments, &mut scene, &mut table) => measured,
        () = interrupted => bail!("interrupted"),
    };
    scene.stop().await?;
    match &arguments.write {
        Some(file) if measured.is_ok() => {
            table.write(file)?;
            table.print()?;
        }
        // What was measured before something went wrong is shown all the same.
        Some(_) | None => table.print_with_notes()?,
    }
    measured
}

async fn measure(arguments: &Arguments, scene: &mut Scene, table: &mut Table) -> Result<()> {
    for topic in Topic::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(topic) {
            continue;
        }
        let measured = match topic {
            Topic::Export => export::run(scene, table).await,
            Topic::Memory => memory::run(scene, table).await,
            Topic::Growth => growth::run(scene, table).await,
            Topic::Queue => queue::run(scene, table).await,
            Topic::Api => api::run(scene, table).await,
        };
        measured.with_context(|| format!("{topic:?}"))?;
    }
    Ok(())
}

fn interrupted() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
