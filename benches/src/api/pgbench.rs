//! The baseline of reads: `pgbench` with the prepared statement of a read, over the same kind of connection as the API's.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fixture::{Database, Fixture};

/// The columns that a read returns.
const COLUMNS: &str = "id, project_id, created_at, direction, filter_start_time, filter_end_time, \
    filter_status, filter_endpoint_id, status, attempt, started_at, completed_at, expires_at, \
    row_count, file_size_bytes, sha256, error_code, error_message, \
    label, retry_of";

/// The id of an export by its number, as SQL. `pgbench` has no UUIDs.
pub(super) fn id_of(number: &str) -> String {
    format!("('0190a1b2-0000-7000-8000-' || lpad(to_hex({number}::int), 12, '0'))::uuid")
}

/// Transactions per second, without the connection time.
pub(super) async fn per_second(
    fixture: &Fixture,
    database: &Database,
    exports: u32,
    clients: usize,
    span: Duration,
) -> Result<f64> {
    let script = fixture.folder().join("read.sql");
    let id = id_of(":n");
    let statement = format!("SELECT {COLUMNS} FROM exports WHERE id = {id};");
    fs::write(
        &script,
        format!("\\set n random(1, {exports})\n{statement}\n"),
    )?;
    let mut command = fixture.postgres_program("pgbench")?;
    command
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", span.as_secs()))
        .arg("--file")
        .arg(&script)
        .arg(database.url());
    let output = fixture.run(command).await?;
    let text = String::from_utf8(output.stdout)?;
    rate(&text).with_context(|| format!("no rate in the output of pgbench: {text}"))
}

fn rate(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_its_line() {
        let text = "latency average = 1.0 ms\ntps = 30912.5 (without initial connection time)\n";
        assert_eq!(rate(text), Some(30912.5));
        assert_eq!(rate("tps\n"), None);
    }
}
