//! Point 10: each format and compression of a large export, beside the tools that people would use instead.
//!
//! All write the same rows. `kinds` are ours, `rivals` the other tools, `figures` the results; `memory` measures ours
//! with other shapes of rows.

mod duckdb;
mod figures;
mod kinds;
mod memory;
mod rivals;

use anyhow::{Result, ensure};
use exports_domain::MessageFilter;
use exports_sandbox::process::Stat;

use crate::fixture::{Database, Fixture, cluster_cpu_seconds};
use crate::measured::{Exporter, PROJECT};
use crate::seeded;
use crate::table::Table;

use figures::Figures;
use kinds::{KINDS, Kind};
use rivals::{Rivals, Written};

const ROUNDS: usize = 3;

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    // Checked now, not after the messages are there.
    let rivals = Rivals::find()?;
    let database = fixture.database().await?;
    seeded::seed(fixture, &database).await?;
    let comparison = Comparison {
        filter: seeded::filter(fixture, &database).await?,
        files: Exporter::into_files(fixture, &database)?,
        rivals,
    };
    let mut figures = Figures::default();
    for round in 1..=ROUNDS {
        eprintln!("formats: round {round} of {ROUNDS}");
        for kind in KINDS {
            comparison.measure(kind, &mut figures).await?;
        }
    }
    figures.add_to(table);
    comparison.add_notes(table);
    drop(comparison);
    fixture.drop_database(database).await?;
    memory::run(fixture, table).await
}

/// Processor time in seconds, user and system.
struct UsedCpu {
    /// Of the programs that have ended: the tools.
    programs: f64,
    database: f64,
}

/// All of them export the same messages.
struct Comparison<'a> {
    filter: MessageFilter,
    files: Exporter<'a>,
    rivals: Rivals,
}

impl Comparison<'_> {
    /// Our export, and its rivals right after it.
    async fn measure(&self, kind: Kind, figures: &mut Figures) -> Result<()> {
        let ours = self.files.with(kind.options()?);
        let ours = ours.export(&self.filter, &[]).await?;
        let rows = ours.exported.rows;
        let first = figures.rows.get_or_insert(rows);
        ensure!(*first == rows, "{rows} rows instead of {first}");
        figures.ours(kind).add(&ours);
        for rival in kind.rivals() {
            let before = self.used_cpu().await?;
            let written = self
                .rivals
                .run(*rival, self.fixture(), self.database(), &self.filter);
            if let Some(Written {
                time,
                bytes,
                rows: theirs,
                peak_memory,
            }) = written.await?
            {
                ensure!(
                    theirs.is_none_or(|theirs| theirs == rows),
                    "{rival:?} has written {theirs:?} rows instead of {rows}"
                );
                let after = self.used_cpu().await?;
                let figures = figures.rival(*rival);
                figures.cpu.add(after.programs - before.programs);
                figures.database_cpu.add(after.database - before.database);
                figures.seconds.add(time);
                figures.bytes = bytes;
                figures.peak_memory = figures.peak_memory.max(peak_memory);
            }
        }
        self.files.store.remove(&ours.exported.object_key)
    }

    /// So far.
    async fn used_cpu(&self) -> Result<UsedCpu> {
        Ok(UsedCpu {
            programs: Stat::of(std::process::id())?.children_cpu_seconds,
            database: cluster_cpu_seconds(self.database().pool()).await?,
        })
    }

    fn fixture(&self) -> &Fixture {
        self.files.fixture
    }

    fn database(&self) -> &Database {
        self.files.database
    }

    fn add_notes(&self, table: &mut Table) {
        table.note("The tools of point 10", rivals::note(PROJECT, &self.filter));
    }
}
