//! The worker's peak memory for formats and compressions, with shapes of rows that are hard for them.

use anyhow::Result;

use super::kinds::{CSV_GZIP, CSV_ZSTD, JSON_LINES, JSON_LINES_ZSTD, Kind, PARQUET, PARQUET_ZSTD};
use crate::fixture::{Fixture, mebibytes};
use crate::measured::{Exporter, PROJECT};
use crate::memory::{DAY_US, large_errors, one_microsecond};
use crate::rows::{self, Rows};
use crate::table::{Limit, Row, Table};

/// Plain CSV is in point 4, the other kinds differ from one of these only in the size of what they pack.
const KINDS: [Kind; 6] = [
    CSV_GZIP,
    CSV_ZSTD,
    JSON_LINES,
    JSON_LINES_ZSTD,
    PARQUET_ZSTD,
    PARQUET,
];
const MOST_ROWS: u64 = 16_000_000;
const VARIED: u64 = 5_000;

pub(super) async fn run(fixture: &Fixture, table: &mut Table) -> Result<()> {
    let shapes = [
        large_errors(fixture),
        varied_errors(fixture),
        one_microsecond(fixture),
        many_rows(fixture),
    ];
    for (what, rows) in shapes {
        eprintln!("formats: memory of {what}");
        let database = fixture.database().await?;
        fixture.project(&database, PROJECT).await?;
        rows::fill(&database, rows).await?;
        let exporter = Exporter::into_files(fixture, &database)?;
        // All shapes end within it.
        let filter = rows::between(0, 30 * DAY_US)?;
        for kind in KINDS {
            let exporter = exporter.with(kind.options()?);
            let measured = exporter.export_rows(&filter, rows.count).await?;
            let (peak, size) = (mebibytes(measured.peak_memory), &measured.exported);
            let (bytes, seconds) = (mebibytes(size.bytes.cast_unsigned()), size.seconds);
            let row = Row::new(
                10,
                format!("{what}, {}: peak RSS of the worker, MiB", kind.name()),
                format!("{peak:.0} MiB; {seconds:.2} s; {bytes:.0} MiB"),
            );
            table.add(row.held_to(peak, Limit::AtMost(kind.most_memory())));
        }
        drop(exporter);
        fixture.drop_database(database).await?;
    }
    Ok(())
}

/// Repeated texts almost vanish in a packed file. These keep half of their size, so row groups get full.
fn varied_errors(fixture: &Fixture) -> (String, Rows<'static>) {
    let count = fixture.scaled(VARIED);
    let rows = Rows {
        count,
        error: "(SELECT string_agg(md5(n::text || i), '') FROM generate_series(1, 3125) i)",
        ..Rows::default()
    };
    let what = format!("{count} rows with errors of 100 kB of random digits");
    (what, rows)
}

fn many_rows(fixture: &Fixture) -> (String, Rows<'static>) {
    let count = fixture.scaled(MOST_ROWS);
    let rows = Rows {
        count,
        ..Rows::default()
    };
    (format!("{count} rows"), rows)
}
