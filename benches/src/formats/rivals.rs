//! The tools beside which our files are measured.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use exports_domain::MessageFilter;
use exports_sandbox::process::command;

use super::duckdb::{self, DuckDb};
use crate::baselines;
use crate::fixture::{Database, Fixture};
use crate::measured::PROJECT;

/// Installs all of them.
pub(super) const INSTALL: &str = "scripts/ensure-bench-tools";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rival {
    /// `psql`'s CSV of the same fields, packed by pigz.
    Pigz,
    /// The same, packed by zstd.
    Zstd,
    /// `DuckDB`'s own reader of PostgreSQL tables and its own Parquet writer.
    DuckDb,
    /// The same without `ORDER BY`.
    DuckDbInAnyOrder,
}

/// What a rival has written.
#[derive(Debug)]
pub(super) struct Written {
    /// In seconds.
    pub(super) time: f64,
    pub(super) bytes: u64,
    /// If it says so.
    pub(super) rows: Option<i64>,
    /// In bytes; 0 if unknown.
    pub(super) peak_memory: u64,
}

impl Rival {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pigz => "`\\copy` of the same fields, `pigz -p2`",
            Self::Zstd => "`\\copy` of the same fields, `zstd -T2 -3`",
            Self::DuckDb => "DuckDB from its PostgreSQL scanner",
            Self::DuckDbInAnyOrder => "DuckDB, rows in any order",
        }
    }
}

/// Where the tools are.
#[derive(Debug)]
pub(super) struct Rivals {
    pigz: PathBuf,
    zstd: PathBuf,
    /// Optional, because it is not a package of the distribution.
    duckdb: Option<DuckDb>,
}

impl Rivals {
    pub(super) fn find() -> Result<Self> {
        Ok(Self {
            pigz: installed("pigz")?,
            zstd: installed("zstd")?,
            duckdb: DuckDb::find()?,
        })
    }

    /// Runs a tool and removes its file; `None` if the tool is not installed.
    pub(super) async fn run(
        &self,
        rival: Rival,
        fixture: &Fixture,
        database: &Database,
        filter: &MessageFilter,
    ) -> Result<Option<Written>> {
        let file = fixture.folder().join("theirs");
        let written = match (rival, &self.duckdb) {
            (Rival::Pigz, _) => {
                let mut pigz = command(&self.pigz);
                pigz.args(["-p2", "-c"]);
                packed(pigz, &file, fixture, database, filter).await?
            }
            (Rival::Zstd, _) => {
                let mut zstd = command(&self.zstd);
                zstd.args(["-q", "-T2", "-3", "-c"]);
                packed(zstd, &file, fixture, database, filter).await?
            }
            (Rival::DuckDb, Some(duckdb)) => {
                let query = duckdb::in_order(PROJECT, filter);
                duckdb.write(&query, &file, fixture, database).await?
            }
            (Rival::DuckDbInAnyOrder, Some(duckdb)) => {
                let query = duckdb::in_any_order(PROJECT, filter);
                duckdb.write(&query, &file, fixture, database).await?
            }
            (Rival::DuckDb | Rival::DuckDbInAnyOrder, None) => return Ok(None),
        };
        fs::remove_file(&file)?;
        Ok(Some(written))
    }
}

/// The time of `psql` and of a program that packs its output.
async fn packed(
    mut packer: Command,
    file: &Path,
    fixture: &Fixture,
    database: &Database,
    filter: &MessageFilter,
) -> Result<Written> {
    packer.stdout(File::create(file)?);
    let copy = baselines::copy_out(&baselines::same_fields(PROJECT, filter));
    let time = fixture.psql_into(database, &copy, packer).await?;
    Ok(Written {
        time: time.as_secs_f64(),
        bytes: fs::metadata(file)?.len(),
        rows: None,
        peak_memory: 0,
    })
}

/// The path of a program in `PATH`, which a [`command`] does not have.
fn installed(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    let file = files.find(|file| file.is_file());
    file.with_context(|| {
        format!("{name} is not installed, and exports are compared with it: run {INSTALL}")
    })
}

/// What they run, for the notes of the table.
pub(super) fn note(project: &str, filter: &MessageFilter) -> String {
    format!(
        "The messages of points 1 to 3, into files. Each tool runs right after the export that it is compared with, once in each \
         round. `psql` runs the statement of the same fields and writes CSV into a pipe. DuckDB runs this, without \
         the time to start and to load its extension; its ids are text like ours:\n\n```sql\n{}\n```\n\n\
         In any order, it is the same without `ORDER BY`, so it does not have to hold all rows. Like psql, the tools do \
         not sync their files to the disk, and the worker does.",
        duckdb::in_order(project, filter)
    )
}
