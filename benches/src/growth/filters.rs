//! Filters that match one row in a thousand, and exports without rows: with the existing index, and with another one.

use anyhow::Result;
use exports_domain::{Choice, EndpointId, MessageFilter, MessageStatus};
use uuid::Uuid;

use super::sizes::STEP_US;
use crate::fixture::mebibytes;
use crate::measured::Exporter;
use crate::rows;
use crate::table::{Limit, Row, Table};

/// The usual statuses, but one message in a thousand has another.
pub(super) const STATUSES: &str = "CASE WHEN n % 1000 = 500 THEN 'failed_permanent' \
     WHEN n % 20 = 7 THEN 'pending_retry' ELSE 'succeeded' END";
/// The same for endpoints.
pub(super) const ENDPOINTS: &str = "CASE WHEN n % 1000 = 501 THEN 'ffffffff-0000-4000-8000-000000000000'::uuid \
     ELSE lpad((n % 24)::text, 32, 'e')::uuid END";
const RARE_ENDPOINT: u128 = 0xffff_ffff_0000_4000_8000_0000_0000_0000;
/// The rows that the filters select from.
const RANGE_ROWS: u64 = 4_000_000;
const ROUNDS: usize = 3;

/// An index for a filter.
struct Better {
    what: &'static str,
    columns: &'static str,
}

const FOR_STATUS: [Better; 2] = [
    Better {
        what: "a partial index of messages that have not succeeded",
        columns: "(project_id, direction, status, created_at, id) WHERE status <> 'succeeded'",
    },
    Better {
        what: "an index by status",
        columns: "(project_id, direction, status, created_at, id)",
    },
];
const FOR_ENDPOINT: [Better; 1] = [Better {
    what: "an index by endpoint",
    columns: "(project_id, direction, endpoint_id, created_at, id)",
}];

pub(super) async fn run(exporter: &Exporter<'_>, table: &mut Table) -> Result<()> {
    let filters = Filters(exporter);
    let rows = exporter.fixture.scaled(RANGE_ROWS);
    let range = rows::between(0, (rows - 1) * STEP_US)?;
    filters.nothing(table).await?;
    let status = MessageFilter {
        status: Choice::One(MessageStatus::FailedPermanent),
        ..range.clone()
    };
    let what = format!("{} of {rows} rows, by status", rows / 1000);
    filters
        .with_better(&what, &status, &FOR_STATUS, table)
        .await?;
    let endpoint = MessageFilter {
        endpoint: Choice::One(EndpointId(Uuid::from_u128(RARE_ENDPOINT))),
        ..range
    };
    let what = format!("{} of {rows} rows, by endpoint", rows / 1000);
    filters
        .with_better(&what, &endpoint, &FOR_ENDPOINT, table)
        .await
}

struct Filters<'a>(&'a Exporter<'a>);

impl Filters<'_> {
    async fn nothing(&self, table: &mut Table) -> Result<()> {
        let last = self.0.fixture.scaled(super::sizes::MOST_ROWS) * STEP_US;
        let after = rows::between(last * 2, last * 3)?;
        let nothing = self.0.repeat(&after, 0, ROUNDS).await?;
        let milliseconds = nothing.seconds.median() * 1e3;
        let row = Row::new(
            5,
            "an export that matches nothing, ms",
            format!("{milliseconds:.0} ms"),
        );
        // The row is in milliseconds.
        table.add(row.held_to(milliseconds, Limit::AtMost(100.0)));
        Ok(())
    }

    /// The same export with the existing indexes, and with each better index.
    async fn with_better(
        &self,
        what: &str,
        filter: &MessageFilter,
        better: &[Better],
        table: &mut Table,
    ) -> Result<()> {
        let database = self.0.database;
        let expected = self.0.fixture.scaled(RANGE_ROWS) / 1000;
        let as_it_is = self.0.repeat(filter, expected, ROUNDS).await?;
        table.add(Row::new(5, what, as_it_is.shown()));
        let plan = database.explain_export(filter).await?;
        let mut plans = vec![format!("Existing index:\n\n{plan}")];
        for Better {
            what: name,
            columns,
        } in better
        {
            let create = format!("CREATE INDEX better ON messages {columns}");
            database.sql(create).await?;
            database.settle().await?;
            let size = database.relation_size("better").await?;
            let present = database.relation_size("messages_export").await?;
            let with = self.0.repeat(filter, expected, ROUNDS).await?;
            plans.push(format!(
                "With {name}, `{columns}`, {:.0} MiB; `messages_export` has {:.0} MiB:\n\n{}",
                mebibytes(size),
                mebibytes(present),
                database.explain_export(filter).await?
            ));
            let row = Row::new(5, format!("{what}, with {name}"), with.shown());
            table.add(row.against("without", with.ratio(&as_it_is), Limit::None));
            database.sql("DROP INDEX better").await?;
        }
        table.note(format!("Plans: {what}"), plans.join("\n"));
        Ok(())
    }
}
