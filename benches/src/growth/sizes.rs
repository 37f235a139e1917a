//! Time per row and peak memory, from 0.4 to 16 million rows.

use anyhow::Result;

use crate::fixture::mebibytes;
use crate::measured::{Exporter, Repeated};
use crate::memory;
use crate::rows;
use crate::table::{Limit, Row, Table};

pub(super) const MOST_ROWS: u64 = 16_000_000;
const ROUNDS: usize = 3;
const MOST_TURNS: usize = 3;
/// Numbers of rows, and repetitions in each round. Small exports are fast, and their times vary more.
const SIZES: [(u64, usize); 4] = [
    (400_000, MOST_TURNS),
    (1_000_000, MOST_TURNS),
    (4_000_000, 2),
    (MOST_ROWS, 1),
];
/// Rows that the worker exports before the measurement, so that its connections have been used, as usual.
const ROWS_BEFORE: u64 = 4_000_000;
/// The time between two rows: see [`Rows::default`](rows::Rows).
pub(super) const STEP_US: u64 = 100_000;

/// Exports the first rows of the project, each size in turn.
pub(super) async fn run(exporter: &Exporter<'_>, table: &mut Table) -> Result<()> {
    let scaled = |rows| exporter.fixture.scaled(rows);
    let mut sizes = SIZES.map(|(rows, turns)| (scaled(rows), turns, Repeated::default()));
    let most = scaled(MOST_ROWS);
    let before = rows::between((most - scaled(ROWS_BEFORE)) * STEP_US, (most - 1) * STEP_US)?;
    let mut first = Repeated::default();
    // In turns, because a shared machine is slow from time to time.
    for turn in (0..ROUNDS).flat_map(|_| 0..MOST_TURNS) {
        for (rows, _, repeated) in sizes.iter_mut().filter(|(_, turns, _)| turn < *turns) {
            let filter = rows::between(0, (*rows - 1) * STEP_US)?;
            let measured = exporter.export_rows_after(Some(&before), &filter, *rows);
            repeated.add(&measured.await?);
        }
        let (fewest, ..) = sizes[0];
        let filter = rows::between(0, (fewest - 1) * STEP_US)?;
        first.add(&exporter.export_rows(&filter, fewest).await?);
    }
    let sizes = sizes.map(|(rows, _, repeated)| (rows, repeated));
    let (fewest, _) = sizes[0];
    let (_, ours) = time_of_a_row(fewest, &first);
    table.add(Row::new(
        5,
        format!("{fewest} rows, a worker's first export"),
        ours,
    ));
    tell_times(&sizes, table);
    // The memory targets begin at a million rows.
    tell_memory(&sizes[1..], table);
    Ok(())
}

fn tell_times(sizes: &[(u64, Repeated)], table: &mut Table) {
    let mut per_row = Vec::new();
    for (rows, repeated) in sizes {
        let (micros, ours) = time_of_a_row(*rows, repeated);
        per_row.push(micros);
        table.add(Row::new(5, format!("{rows} rows"), ours));
    }
    let least = per_row.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = per_row.iter().copied().fold(0.0, f64::max);
    let row = Row::new(
        5,
        "time per row, maximum and minimum of these",
        format!("{largest:.3} µs"),
    );
    table.add(row.against(
        format!("{least:.3} µs"),
        largest / least,
        Limit::AtMost(1.15),
    ));
}

/// Microseconds per row, and the text for the table.
fn time_of_a_row(rows: u64, repeated: &Repeated) -> (f64, String) {
    // Far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let micros = repeated.seconds.median() * 1e6 / rows as f64;
    let shown = repeated.shown();
    (micros, format!("{micros:.3} µs per row; {shown}"))
}

fn tell_memory(sizes: &[(u64, Repeated)], table: &mut Table) {
    let peaks: Vec<f64> = sizes
        .iter()
        .map(|(_, repeated)| mebibytes(repeated.peak_memory))
        .collect();
    for ((rows, _), peak) in sizes.iter().zip(&peaks) {
        let what = format!("{rows} rows: peak RSS of the worker, MiB");
        let row = Row::new(4, what, format!("{peak:.0} MiB"));
        table.add(row.held_to(*peak, Limit::AtMost(memory::MOST)));
    }
    let least = peaks.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = peaks.iter().copied().fold(0.0, f64::max);
    let row = Row::new(
        4,
        "peak RSS, maximum and minimum of these",
        format!("{largest:.1} MiB"),
    );
    // Ten percent above and below the mean.
    table.add(row.against(
        format!("{least:.1} MiB"),
        largest / least,
        Limit::AtMost(1.2),
    ));
}
