//! `DuckDB`, which reads PostgreSQL tables and writes Parquet files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use exports_domain::MessageFilter;
use exports_sandbox::process::command;

use super::rivals::Written;
use crate::baselines;
use crate::fixture::{Database, Fixture};

/// Prints the path of a Python that has the packages, installed or not.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/ensure-bench-tools");
const SCRIPT: &str = include_str!("duckdb.py");

/// A Python with `DuckDB` and its extension for PostgreSQL.
#[derive(Debug)]
pub(super) struct DuckDb(PathBuf);

impl DuckDb {
    /// `None` if it is not installed.
    pub(super) fn find() -> Result<Option<Self>> {
        let found = Command::new(TOOLS)
            .arg("--python")
            .output()
            .context(TOOLS)?;
        ensure!(found.status.success(), "{TOOLS} failed");
        let python = PathBuf::from(String::from_utf8(found.stdout)?.trim());
        Ok(python.is_file().then_some(Self(python)))
    }

    /// Writes the rows of a query into a Parquet file.
    pub(super) async fn write(
        &self,
        query: &str,
        file: &Path,
        fixture: &Fixture,
        database: &Database,
    ) -> Result<Written> {
        let mut python = command(&self.0);
        python
            .args(["-c", SCRIPT, database.url(), query])
            .arg(file)
            // For what does not fit into its memory.
            .current_dir(fixture.folder());
        let output = fixture.run(python).await?;
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        Ok(Written {
            time: said["seconds"].as_f64().context("no time")?,
            bytes: fs::metadata(file)?.len(),
            rows: said["rows"].as_i64(),
            peak_memory: said["peak_memory"].as_u64().unwrap_or_default(),
        })
    }
}

/// The rows of our file, in its order.
pub(super) fn in_order(project: &str, filter: &MessageFilter) -> String {
    let rows = in_any_order(project, filter);
    format!("{rows} ORDER BY m.created_at, m.id")
}

/// The rows of our file.
pub(super) fn in_any_order(project: &str, filter: &MessageFilter) -> String {
    format!(
        "SELECT m.id::VARCHAR AS message_id, \
         'ep_' || replace(m.endpoint_id::VARCHAR, '-', '') AS endpoint_id, e.url AS endpoint, m.status, \
         m.attempt_count, m.created_at, m.delivered_at, m.next_attempt_at, m.response_status, \
         m.response_latency_ms, m.last_error \
         FROM pg.messages m LEFT JOIN pg.endpoints e ON e.id = m.endpoint_id WHERE {}",
        baselines::condition(project, filter),
    )
}
