//! `make bench`: measures the service and its baselines on this machine.
//!
//! Each topic has a module. All use one [`fixture`] and write into one [`table`].

mod api;
mod baselines;
mod export;
mod fixture;
mod formats;
mod growth;
mod http;
mod live;
mod measured;
mod memory;
mod network;
mod queue;
mod rows;
mod samples;
mod seeded;
mod table;
mod transactions;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use fixture::{Fixture, Limits};
use table::Table;

/// Measure the service on a private PostgreSQL and print one table
#[derive(Debug, Parser)]
struct Arguments {
    /// Divide all sizes by 20, to test the benchmarks
    #[arg(long)]
    quick: bool,
    /// Run the API with every limit on, above the load; without it, all limits are off
    #[arg(long)]
    limits: bool,
    /// Run only these topics
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TOPIC,…")]
    only: Vec<Topic>,
    /// Also write the table, with the machine and the date, into this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// In the order of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Topic {
    Export,
    Memory,
    Network,
    Formats,
    Growth,
    Queue,
    Api,
    Live,
}

#[tokio::main]
async fn main() -> ExitCode {
    // On the heap: it contains the futures of all topics.
    match Box::pin(run(Arguments::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    // A signal ends the measurement, and then the program, so that the fixture is removed.
    let interrupted = interrupted()?;
    let limits = if arguments.limits {
        Limits::AboveTheLoad
    } else {
        Limits::Off
    };
    let mut fixture = Fixture::start(arguments.quick, limits).await?;
    let mut table = Table::new(&fixture).await?;
    let measured = tokio::select! {
        measured = measure(&arguments, &mut fixture, &mut table) => measured,
        () = interrupted => bail!("interrupted"),
    };
    fixture.stop().await?;
    match &arguments.write {
        Some(file) if measured.is_ok() => {
            table.write(file)?;
            table.print()?;
        }
        // After an error, the results so far.
        Some(_) | None => table.print_with_notes()?,
    }
    measured
}

async fn measure(arguments: &Arguments, fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    for topic in Topic::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(topic) {
            continue;
        }
        let measured = match topic {
            Topic::Export => export::run(fixture, table).await,
            Topic::Memory => memory::run(fixture, table).await,
            Topic::Network => network::run(fixture, table).await,
            Topic::Formats => formats::run(fixture, table).await,
            Topic::Growth => growth::run(fixture, table).await,
            Topic::Queue => queue::run(fixture, table).await,
            Topic::Api => api::run(fixture, table).await,
            Topic::Live => live::run(fixture, table).await,
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
