//! Point 4: the worker's peak memory for one export with default settings and different kinds of rows.
//! [`growth`](crate::growth) measures it for different numbers of rows.

use anyhow::Result;
use exports_domain::MessageFilter;

use crate::fixture::{Fixture, mebibytes};
use crate::measured::{Exporter, PROJECT, Repeated};
use crate::rows::{self, Rows};
use crate::table::{Limit, Row, Table};

/// The target, in MiB.
pub(crate) const MOST: f64 = 96.0;
const MANY: u64 = 4_000_000;
const LARGE: u64 = 20_000;
pub(crate) const DAY_US: u64 = 86_400_000_000;
const YEAR_US: u64 = 365 * DAY_US;

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    let many = fixture.scaled(MANY);
    let one_hour = format!("n * 3600000000 / {many}");
    let shapes = [
        (
            format!("{many} rows in one hour"),
            Rows {
                count: many,
                time: &one_hour,
                ..Rows::default()
            },
        ),
        one_microsecond(fixture),
        large_errors(fixture),
    ];
    for (what, rows) in shapes {
        eprintln!("memory: {what}");
        let day = rows::between(0, DAY_US)?;
        let [measured] = exports_of(fixture, rows, &[day], 1).await?;
        add(table, &what, &measured);
    }
    one_day_of_a_year(fixture, table).await
}

/// A shape of rows, and its name.
pub(crate) fn one_microsecond(fixture: &Fixture) -> (String, Rows<'static>) {
    let count = fixture.scaled(MANY);
    let rows = Rows {
        count,
        // Like ids from several writers.
        id: "gen_random_uuid()",
        time: "500000",
        ..Rows::default()
    };
    (format!("{count} rows in one microsecond"), rows)
}

/// A shape of rows, and its name.
pub(crate) fn large_errors(fixture: &Fixture) -> (String, Rows<'static>) {
    let count = fixture.scaled(LARGE);
    let rows = Rows {
        count,
        error: "repeat(md5(n::text), 3125)",
        ..Rows::default()
    };
    (format!("{count} rows with errors of 100 kB"), rows)
}

/// Exports the same messages with their exact time range, and with the whole year.
async fn one_day_of_a_year(fixture: &Fixture, table: &mut Table) -> Result<()> {
    let count = fixture.scaled(1_000_000);
    eprintln!("memory: a year with {count} rows in one day");
    let (noon, step) = (YEAR_US / 2, DAY_US / count);
    let time = format!("{noon} + n * {step}");
    let rows = Rows {
        count,
        time: &time,
        ..Rows::default()
    };
    let exact = rows::between(noon, noon + (count - 1) * step)?;
    let year = rows::between(0, YEAR_US)?;
    let [exact, year] = exports_of(fixture, rows, &[exact, year], 5).await?;
    let what = format!("a year, its {count} rows in one day");
    add(table, &what, &year);
    let baseline = format!("the exact range: {}", exact.seconds.seconds());
    table.add(Row::new(4, format!("{what}: time"), year.shown()).against(
        baseline,
        year.ratio(&exact),
        Limit::AtMost(1.1),
    ));
    Ok(())
}

/// Exports each filter in turn, several rounds, from a database with these rows only.
async fn exports_of<const N: usize>(
    fixture: &Fixture,
    rows: Rows<'_>,
    filters: &[MessageFilter; N],
    rounds: usize,
) -> Result<[Repeated; N]> {
    let database = fixture.database().await?;
    fixture.project(&database, PROJECT).await?;
    rows::fill(&database, rows).await?;
    let exporter = Exporter::into_files(fixture, &database)?;
    let mut repeated = [(); N].map(|()| Repeated::default());
    for _ in 0..rounds {
        for (filter, repeated) in filters.iter().zip(&mut repeated) {
            repeated.add(&exporter.export_rows(filter, rows.count).await?);
        }
    }
    drop(exporter);
    fixture.drop_database(database).await?;
    Ok(repeated)
}

fn add(table: &mut Table, what: &str, measured: &Repeated) {
    let peak = mebibytes(measured.peak_memory);
    let ours = format!("{peak:.0} MiB; {}", measured.seconds.seconds());
    let row = Row::new(4, format!("{what}: peak RSS of the worker, MiB"), ours);
    table.add(row.held_to(peak, Limit::AtMost(MOST)));
}
