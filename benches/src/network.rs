//! Point 9: a large export into Garage on loopback and over lines with delay and a rate per connection.
//!
//! Every line is the same proxy, also the one without delay, so the proxy's own processor time shows in that row.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, bail};
use exports_domain::FileOptions;
use exports_sandbox::distance::{Distance, DistantServer};
use exports_sandbox::garage::{Garage, Listener};
use tokio::task::spawn_blocking;

use crate::fixture::{Database, Fixture, Store, mebibytes};
use crate::measured::{Exporter, Measured, PROJECT, Repeated};
use crate::rows::{self, Rows};
use crate::table::{Limit, Row, Table};

const MANY: u64 = 4_000_000;
const ROUNDS: usize = 3;
/// Of a worker with default settings, in MiB.
const MOST_MEMORY: f64 = 128.0;

/// A line to the store.
struct Line {
    what: &'static str,
    /// `None`: without the proxy.
    distance: Option<Distance>,
    settings: &'static [(&'static str, &'static str)],
    limit: Limit,
}

const NEAR: Line = Line {
    what: "Garage on loopback",
    distance: None,
    settings: &[],
    limit: Limit::None,
};

const LINES: [Line; 4] = [
    Line {
        what: "through the proxy, without delay",
        distance: Some(distance(0, None)),
        ..NEAR
    },
    Line {
        what: "round trip 40 ms, 80 MB/s per connection",
        distance: Some(distance(40, Some(80))),
        limit: Limit::AtMost(1.15),
        ..NEAR
    },
    Line {
        what: "round trip 100 ms, 40 MB/s per connection",
        distance: Some(distance(100, Some(40))),
        ..NEAR
    },
    Line {
        what: "the same, `EXPORTS_UPLOAD_MEMORY=192MiB`",
        distance: Some(distance(100, Some(40))),
        settings: &[("EXPORTS_UPLOAD_MEMORY", "192MiB")],
        ..NEAR
    },
];

const fn distance(round_trip_ms: u64, megabytes_per_second: Option<u64>) -> Distance {
    Distance {
        round_trip: Duration::from_millis(round_trip_ms),
        bytes_per_second: match megabytes_per_second {
            Some(megabytes) => Some(megabytes * 1_000_000),
            None => None,
        },
    }
}

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    let database = fixture.database().await?;
    fixture.project(&database, PROJECT).await?;
    let count = fixture.scaled(MANY);
    eprintln!("network: {count} messages");
    let rows = Rows {
        count,
        ..Rows::default()
    };
    rows::fill(&database, rows).await?;
    let mut near = Repeated::default();
    let mut distant = LINES.map(|line| (line, Repeated::default()));
    let mut bytes = 0;
    for round in 1..=ROUNDS {
        eprintln!("network: round {round} of {ROUNDS}");
        let measured = export(fixture, &database, count, &NEAR).await?;
        bytes = measured.exported.bytes;
        near.add(&measured);
        for (line, repeated) in &mut distant {
            repeated.add(&export(fixture, &database, count, line).await?);
        }
    }
    let size = mebibytes(bytes.cast_unsigned());
    let what = format!("{count} rows, {size:.0} MiB, {}", NEAR.what);
    table.add(Row::new(9, what, shown(&near)));
    for (line, repeated) in &distant {
        let row = Row::new(9, line.what, shown(repeated));
        let baseline = format!("loopback: {}", near.seconds.seconds());
        table.add(row.against(baseline, repeated.ratio(&near), line.limit));
        if line.limit != Limit::None {
            let peak = mebibytes(repeated.peak_memory);
            let what = format!("{}: peak RSS of the worker, MiB", line.what);
            let row = Row::new(9, what, format!("{peak:.0} MiB"));
            table.add(row.held_to(peak, Limit::AtMost(MOST_MEMORY)));
        }
    }
    table.note(
        "The lines of point 9",
        "The proxy gives every byte a time of arrival: half of the round trip after the line \
         has taken it, at the rate of its connection. Opening a connection takes a round trip. The proxy and the \
         server share the processors with the worker and PostgreSQL.",
    );
    fixture.drop_database(database).await
}

fn shown(repeated: &Repeated) -> String {
    let peak = mebibytes(repeated.peak_memory);
    format!("{}; peak of the worker {peak:.0} MiB", repeated.shown())
}

async fn export(
    fixture: &Fixture,
    database: &Database,
    rows: u64,
    line: &Line,
) -> Result<Measured> {
    // A new server for each export, so that the files do not fill the disk.
    let garage = spawn_blocking(Garage::on_port).await??;
    let Listener::Port(port) = garage.listener() else {
        bail!("Garage does not listen on a port");
    };
    let address = (Ipv4Addr::LOCALHOST, *port).into();
    let distant = match line.distance {
        Some(distance) => Some(DistantServer::start(address, distance).await?),
        None => None,
    };
    let address = distant.as_ref().map_or(address, DistantServer::address);
    let exporter = Exporter {
        fixture,
        database,
        store: Store::at(address),
        options: FileOptions::default(),
    };
    let filter = rows::between(0, rows * 100_000)?;
    let measured = exporter.export(&filter, line.settings).await?;
    let written = measured.exported.rows;
    if written.cast_unsigned() != rows {
        bail!("{written} rows were exported instead of {rows}");
    }
    drop(exporter);
    spawn_blocking(move || drop(garage)).await?;
    Ok(measured)
}
