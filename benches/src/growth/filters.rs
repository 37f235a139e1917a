//! Filters that match one row in a thousand, and exports that match nothing: what they cost with the
//! index as it is, and with one of their own.

use anyhow::{Result, ensure};
use exports_domain::{EndpointId, MessageFilter, MessageStatus};

use super::sizes::STEP_US;
use crate::measured::{self, Repeated};
use crate::rows;
use crate::scene::{Database, Scene, Store, mebibytes};
use crate::table::{Bar, Row, Table};

/// As usual, but for one message in a thousand.
pub(super) const STATUSES: &str = "CASE WHEN n % 1000 = 500 THEN 'failed_permanent' \
     WHEN n % 20 = 7 THEN 'pending_retry' ELSE 'succeeded' END";
/// Likewise.
pub(super) const ENDPOINTS: &str = "CASE WHEN n % 1000 = 501 THEN 'ffffffff-0000-4000-8000-000000000000'::uuid \
     ELSE lpad((n % 24)::text, 32, 'e')::uuid END";
const RARE_ENDPOINT: u128 = 0xffff_ffff_0000_4000_8000_0000_0000_0000;
/// Of these the filters pick.
const RANGE_ROWS: u64 = 4_000_000;
const ROUNDS: usize = 3;

/// An index that would serve a filter.
struct Better {
    what: &'static str,
    columns: &'static str,
}

const FOR_STATUS: [Better; 2] = [
    Better {
        what: "an index of what has not succeeded",
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

pub(super) async fn run(
    scene: &Scene,
    database: &Database,
    store: &Store,
    table: &mut Table,
) -> Result<()> {
    let filters = Filters {
        scene,
        database,
        store,
    };
    let rows = scene.scaled(RANGE_ROWS);
    let range = rows::between(0, (rows - 1) * STEP_US)?;
    filters.nothing(table).await?;
    let status = MessageFilter {
        status: Some(MessageStatus::FailedPermanent),
        ..range.clone()
    };
    let what = format!("{} of {rows} rows, by status", rows / 1000);
    filters
        .with_better(&what, &status, &FOR_STATUS, table)
        .await?;
    let endpoint = MessageFilter {
        endpoint: Some(EndpointId(uuid::Uuid::from_u128(RARE_ENDPOINT))),
        ..range
    };
    let what = format!("{} of {rows} rows, by endpoint", rows / 1000);
    filters
        .with_better(&what, &endpoint, &FOR_ENDPOINT, table)
        .await
}

struct Filters<'a> {
    scene: &'a Scene,
    database: &'a Database,
    store: &'a Store,
}

impl Filters<'_> {
    async fn nothing(&self, table: &mut Table) -> Result<()> {
        let last = self.scene.scaled(super::sizes::MOST_ROWS) * STEP_US;
        let after = rows::between(last * 2, last * 3)?;
        let nothing = self.repeated(&after, 0).await?;
        let milliseconds = nothing.seconds.median() * 1e3;
        let row = Row::new(
            5,
            "an export that matches nothing, ms",
            format!("{milliseconds:.0} ms"),
        );
        // "In milliseconds".
        table.add(row.held_to(milliseconds, Bar::AtMost(100.0)));
        Ok(())
    }

    /// The same export with the indexes as they are, and with each of the better ones alone.
    async fn with_better(
        &self,
        what: &str,
        filter: &MessageFilter,
        better: &[Better],
        table: &mut Table,
    ) -> Result<()> {
        let expected = self.scene.scaled(RANGE_ROWS) / 1000;
        let as_it_is = self.repeated(filter, expected).await?;
        table.add(Row::new(5, what, as_it_is.shown()));
        let plan = self.database.explain_export(filter).await?;
        let mut plans = vec![format!("As it is:\n\n{plan}")];
        for Better {
            what: name,
            columns,
        } in better
        {
            let create = format!("CREATE INDEX better ON messages {columns}");
            self.database.sql(create).await?;
            self.database.settle().await?;
            let size = self.database.relation_size("better").await?;
            let present = self.database.relation_size("messages_export").await?;
            let with = self.repeated(filter, expected).await?;
            plans.push(format!(
                "With {name}, `{columns}`, of {:.0} MiB beside `messages_export`'s {:.0} MiB:\n\n{}",
                mebibytes(size),
                mebibytes(present),
                self.database.explain_export(filter).await?
            ));
            let ratio = with.seconds.median() / as_it_is.seconds.median();
            let row = Row::new(5, format!("{what}, with {name}"), with.shown());
            table.add(row.against("without", ratio, Bar::Told));
            self.database.sql("DROP INDEX better").await?;
        }
        table.note(format!("Plans: {what}"), plans.join("\n"));
        Ok(())
    }

    async fn repeated(&self, filter: &MessageFilter, expected: u64) -> Result<Repeated> {
        let mut repeated = Repeated::default();
        for _ in 0..ROUNDS {
            let measured = measured::export(
                self.scene,
                self.database,
                self.store,
                &[],
                "proj_bench",
                filter,
            )
            .await?;
            ensure!(
                measured.exported.rows.cast_unsigned() == expected,
                "{} rows instead of {expected}",
                measured.exported.rows
            );
            self.store.remove(&measured.exported.object_key)?;
            repeated.add(&measured);
        }
        Ok(repeated)
    }
}
