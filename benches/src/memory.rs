//! Point 4: the worker's peak memory for one export at defaults, whatever its rows look like.
//! [`growth`](crate::growth) measures it by their number.

use anyhow::Result;
use exports_domain::MessageFilter;

use crate::measured::{Exporter, PROJECT, Repeated};
use crate::rows::{self, Rows};
use crate::scene::{Scene, mebibytes};
use crate::table::{Bar, Row, Table};

/// Of the issue, in MiB.
pub(crate) const MOST: f64 = 96.0;
const MANY: u64 = 4_000_000;
const LARGE: u64 = 20_000;
const DAY_US: u64 = 86_400_000_000;
const YEAR_US: u64 = 365 * DAY_US;

pub(crate) async fn run(scene: &mut Scene, table: &mut Table) -> Result<()> {
    let many = scene.scaled(MANY);
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
        (
            format!("{many} rows in one microsecond"),
            Rows {
                count: many,
                // As ids come from several writers.
                id: "gen_random_uuid()",
                time: "500000",
                ..Rows::default()
            },
        ),
        (
            format!("{} rows with errors of 100 kB", scene.scaled(LARGE)),
            Rows {
                count: scene.scaled(LARGE),
                error: "repeat(md5(n::text), 3125)",
                ..Rows::default()
            },
        ),
    ];
    for (what, rows) in shapes {
        eprintln!("memory: {what}");
        let day = rows::between(0, DAY_US)?;
        let [measured] = exports_of(scene, rows, &[day], 1).await?;
        tell(table, &what, &measured);
    }
    one_day_of_a_year(scene, table).await
}

/// The same messages by the range that they lie in, and by the year around it.
async fn one_day_of_a_year(scene: &Scene, table: &mut Table) -> Result<()> {
    let count = scene.scaled(1_000_000);
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
    let [exact, year] = exports_of(scene, rows, &[exact, year], 5).await?;
    let what = format!("a year, its {count} rows in one day");
    tell(table, &what, &year);
    let rival = format!("the exact range: {}", exact.seconds.seconds());
    table.add(Row::new(4, format!("{what}: time"), year.shown()).against(
        rival,
        year.ratio(&exact),
        Bar::AtMost(1.1),
    ));
    Ok(())
}

/// Exports of each filter in turn, so many rounds, from a database with these rows and no others.
async fn exports_of<const N: usize>(
    scene: &Scene,
    rows: Rows<'_>,
    filters: &[MessageFilter; N],
    rounds: usize,
) -> Result<[Repeated; N]> {
    let database = scene.database().await?;
    scene.project(&database, PROJECT).await?;
    rows::fill(&database, rows).await?;
    let exporter = Exporter::into_files(scene, &database)?;
    let mut repeated = [(); N].map(|()| Repeated::default());
    for _ in 0..rounds {
        for (filter, repeated) in filters.iter().zip(&mut repeated) {
            repeated.add(&exporter.export_rows(filter, rows.count).await?);
        }
    }
    drop(exporter);
    scene.drop_database(database).await?;
    Ok(repeated)
}

fn tell(table: &mut Table, what: &str, measured: &Repeated) {
    let peak = mebibytes(measured.peak_memory);
    let ours = format!("{peak:.0} MiB; {}", measured.seconds.seconds());
    let row = Row::new(4, format!("{what}: peak RSS of the worker, MiB"), ours);
    table.add(row.held_to(peak, Bar::AtMost(MOST)));
}
