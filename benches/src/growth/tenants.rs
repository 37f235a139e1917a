//! A project with one row in a hundred, between the rows of others: with the existing index, with a covering index, and with its
//! rows clustered, like in a partition per project.

use anyhow::Result;
use exports_domain::MessageFilter;

use super::sizes::STEP_US;
use crate::fixture::{Fixture, mebibytes};
use crate::measured::{Exporter, PROJECT, Repeated};
use crate::rows::{self, Rows};
use crate::table::{Limit, Row, Table};

const ALL_ROWS: u64 = 20_000_000;
const PROJECTS: u64 = 100;
const ROUNDS: usize = 3;
/// All columns that the worker's statement reads.
const COVERING: &str = "CREATE INDEX covering ON messages (project_id, direction, created_at, id) \
     INCLUDE (endpoint_id, status, attempt_count, delivered_at, next_attempt_at, response_status, \
              response_latency_ms, total_delivery_ms, last_error)";
const COVERING_IS_NO_WAY: &str = "Only a measurement, not an option: an index entry must fit a third of a page, so PostgreSQL \
     would refuse a long `last_error`, and the platform's own write would fail.";
/// Clusters the project's rows, like a partition per project or `CLUSTER`.
const TOGETHER: [&str; 3] = [
    "ALTER TABLE messages RENAME TO interleaved",
    "CREATE TABLE messages (LIKE interleaved INCLUDING ALL)",
    "INSERT INTO messages SELECT * FROM interleaved \
     WHERE project_id = 'proj_bench' AND direction = 'outbound' ORDER BY created_at, id",
];

pub(super) async fn run(fixture: &Fixture, table: &mut Table) -> Result<()> {
    let count = fixture.scaled(ALL_ROWS);
    eprintln!("growth: {count} rows of {PROJECTS} projects");
    let database = fixture.database().await?;
    fixture.project(&database, PROJECT).await?;
    let project = format!(
        "CASE WHEN n % {PROJECTS} = 50 THEN '{PROJECT}' ELSE 'proj_' || n % {PROJECTS} END"
    );
    let rows = Rows {
        count,
        project: &project,
        ..Rows::default()
    };
    rows::fill(&database, rows).await?;
    let tenants = Tenants {
        exporter: Exporter::into_files(fixture, &database)?,
        filter: rows::between(0, count * STEP_US)?,
        count,
    };
    tenants.run(table).await?;
    fixture.drop_database(database).await
}

struct Tenants<'a> {
    exporter: Exporter<'a>,
    filter: MessageFilter,
    count: u64,
}

impl Tenants<'_> {
    async fn run(&self, table: &mut Table) -> Result<()> {
        let what = format!(
            "{} rows, every hundredth of {}",
            self.count / PROJECTS,
            self.count
        );
        let as_it_is = self.repeat().await?;
        table.add(Row::new(5, &what, as_it_is.shown()));
        let sizes = self.sizes("messages_export").await?;
        let plan = format!("Existing index, {sizes}:\n\n{}", self.plan().await?);

        let (covered, covered_plan) = self.covered().await?;
        let covered_what = format!("{what}, with a covering index");
        tell(table, &covered_what, &covered, &as_it_is);
        let (together, together_plan) = self.together().await?;
        let together_what = format!("{what}, its rows clustered");
        tell(table, &together_what, &together, &as_it_is);
        let plans = [plan, covered_plan, together_plan];
        table.note(format!("Plans: {what}"), plans.join("\n"));
        Ok(())
    }

    async fn covered(&self) -> Result<(Repeated, String)> {
        let database = self.exporter.database;
        database.sql(COVERING).await?;
        database.settle().await?;
        let repeated = self.repeat().await?;
        let plan = format!(
            "With a covering index, {}. {COVERING_IS_NO_WAY}\n\n{}",
            self.sizes("covering").await?,
            self.plan().await?
        );
        database.sql("DROP INDEX covering").await?;
        Ok((repeated, plan))
    }

    async fn together(&self) -> Result<(Repeated, String)> {
        let database = self.exporter.database;
        for statement in TOGETHER {
            database.sql(statement).await?;
        }
        database.settle().await?;
        let repeated = self.repeat().await?;
        let plan = self.plan().await?;
        Ok((
            repeated,
            format!(
                "With the project's rows clustered, like in a partition per project:\n\n{plan}"
            ),
        ))
    }

    async fn repeat(&self) -> Result<Repeated> {
        let rows = self.count / PROJECTS;
        self.exporter.repeat(&self.filter, rows, ROUNDS).await
    }

    async fn plan(&self) -> Result<String> {
        self.exporter.database.explain_export(&self.filter).await
    }

    async fn sizes(&self, index: &str) -> Result<String> {
        let size = mebibytes(self.exporter.database.relation_size(index).await?);
        let table = mebibytes(self.exporter.database.relation_size("messages").await?);
        Ok(format!(
            "the index has {size:.0} MiB, the table {table:.0} MiB"
        ))
    }
}

fn tell(table: &mut Table, what: &str, better: &Repeated, as_it_is: &Repeated) {
    let row = Row::new(5, what, better.shown());
    table.add(row.against("existing index", better.ratio(as_it_is), Limit::None));
}
