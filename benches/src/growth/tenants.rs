//! A project with one row in a hundred, interleaved by time with the others': with the index as it
//! is, with an index that covers the rows, and with its rows together, as in a partition of its own.

use anyhow::Result;
use exports_domain::MessageFilter;

use super::sizes::STEP_US;
use crate::measured::{Exporter, PROJECT, Repeated};
use crate::rows::{self, Rows};
use crate::scene::{Scene, mebibytes};
use crate::table::{Bar, Row, Table};

const ALL_ROWS: u64 = 20_000_000;
const PROJECTS: u64 = 100;
const ROUNDS: usize = 3;
/// Everything that the worker's statement reads.
const COVERING: &str = "CREATE INDEX covering ON messages (project_id, direction, created_at, id) \
     INCLUDE (endpoint_id, status, attempt_count, delivered_at, next_attempt_at, response_status, \
              response_latency_ms, total_delivery_ms, last_error)";
const COVERING_IS_NO_WAY: &str = "It is measured, but cannot be had: an entry has to fit a third of a page, so \
     that one long `last_error` would be refused, and with it the platform's own write.";
/// What a partition for each project, or `CLUSTER`, would make of the project's rows.
const TOGETHER: [&str; 3] = [
    "ALTER TABLE messages RENAME TO interleaved",
    "CREATE TABLE messages (LIKE interleaved INCLUDING ALL)",
    "INSERT INTO messages SELECT * FROM interleaved \
     WHERE project_id = 'proj_bench' AND direction = 'outbound' ORDER BY created_at, id",
];

pub(super) async fn run(scene: &Scene, table: &mut Table) -> Result<()> {
    let count = scene.scaled(ALL_ROWS);
    eprintln!("growth: {count} rows of {PROJECTS} projects");
    let database = scene.database().await?;
    scene.project(&database, PROJECT).await?;
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
        exporter: Exporter::into_files(scene, &database)?,
        filter: rows::between(0, count * STEP_US)?,
        count,
    };
    tenants.run(table).await?;
    scene.drop_database(database).await
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
        let plan = format!("As it is, {sizes}:\n\n{}", self.plan().await?);

        let (covered, covered_plan) = self.covered().await?;
        let covered_what = format!("{what}, with a covering index");
        tell(table, &covered_what, &covered, &as_it_is);
        let (together, together_plan) = self.together().await?;
        let together_what = format!("{what}, its rows together");
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
            "With an index that covers all columns, {}. {COVERING_IS_NO_WAY}\n\n{}",
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
            format!("With the project's rows together, as in a partition of its own:\n\n{plan}"),
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
    table.add(row.against("as it is", better.ratio(as_it_is), Bar::Told));
}
