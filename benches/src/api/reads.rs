//! `GET /v1/exports/{id}`, compared with a prepared SELECT of the same row by its primary key.

use anyhow::{Context, Result};

use super::load::{self, Requests};
use super::{CONNECTIONS, LoadTest, PROJECT, ROUNDS, pgbench, shown};
use crate::fixture::cluster_cpu_seconds;
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

/// The target: our rate divided by `pgbench`'s.
const LEAST: f64 = 0.5;
/// Enough for an index of several levels.
const EXPORTS: u32 = 20_000;

struct Gets {
    /// Around the id.
    head: String,
    tail: String,
    /// In random order.
    ids: Vec<String>,
}

pub(super) async fn run(test: &LoadTest<'_>, table: &mut Table) -> Result<()> {
    let ids = completed_exports(test).await?;
    let mut figures = Figures::default();
    // Warm-up: opens connections and prepares statements.
    load::run(test.address, CONNECTIONS, test.span, Gets::of(test, &ids)).await?;
    for _ in 0..ROUNDS {
        figures.compare(test, &ids).await?;
    }
    figures.tell(table);
    Ok(())
}

/// The ids of completed exports, in random order.
async fn completed_exports(test: &LoadTest<'_>) -> Result<Vec<String>> {
    let insert = format!(
        "INSERT INTO exports (id, project_id, created_at, due_at, direction, filter_start_time,
                              filter_end_time, status, attempt, lease_token, started_at,
                              completed_at, expires_at, row_count, file_size_bytes, sha256, object_key)
         SELECT {id}, '{PROJECT}', at, at, 'outbound', at - interval '1 week', at,
                'completed', 1, gen_random_uuid(), at + interval '1 s', at + interval '2 s',
                at + interval '7 days', 5000, 1024000, sha256(n::text::bytea), 'key/' || n
         FROM generate_series(1, {EXPORTS}) n, LATERAL (SELECT now() - n * interval '1 s' AS at) t",
        id = pgbench::id_of("n"),
    );
    test.database.sql(insert).await?;
    test.database.sql("VACUUM (ANALYZE) exports").await?;
    test.database.sql("CHECKPOINT").await?;
    let ids = sqlx::query_scalar("SELECT id::text FROM exports ORDER BY random()");
    ids.fetch_all(test.database.pool())
        .await
        .context("the exports")
}

/// The results of all rounds.
#[derive(Default)]
struct Figures {
    reads: Samples,
    p50: Samples,
    p99: Samples,
    selects: Samples,
    ratios: Samples,
    /// Processor time per response, in microseconds: API and database.
    api: Samples,
    database: Samples,
    /// Processor time of the database per transaction of `pgbench`.
    select: Samples,
}

impl Figures {
    async fn compare(&mut self, test: &LoadTest<'_>, ids: &[String]) -> Result<()> {
        let pool = test.fixture.admin();
        let before = cluster_cpu_seconds(pool).await?;
        let selects =
            pgbench::per_second(test.fixture, test.database, EXPORTS, CONNECTIONS, test.span)
                .await?;
        let spent = cluster_cpu_seconds(pool).await? - before;
        self.select
            .add(spent / (selects * test.span.as_secs_f64()) * 1e6);
        let (api, database) = (
            test.service.cpu_seconds()?,
            cluster_cpu_seconds(pool).await?,
        );
        let answered = load::run(test.address, CONNECTIONS, test.span, Gets::of(test, ids)).await?;
        let each = answered.per_second * test.span.as_secs_f64() / 1e6;
        self.api.add((test.service.cpu_seconds()? - api) / each);
        self.database
            .add((cluster_cpu_seconds(pool).await? - database) / each);
        let (p50, p99) = shown(&answered);
        self.reads.add(answered.per_second);
        self.p50.add(p50);
        self.p99.add(p99);
        self.selects.add(selects);
        self.ratios.add(answered.per_second / selects);
        Ok(())
    }

    fn tell(&self, table: &mut Table) {
        let ours = format!(
            "{:.0}/s; p50 {:.2} ms, p99 {:.2} ms; CPU for each: API {:.0} µs, database {:.0} µs",
            self.reads.median(),
            self.p50.median(),
            self.p99.median(),
            self.api.median(),
            self.database.median(),
        );
        let rival = format!(
            "pgbench, prepared SELECT of a row by its id: {:.0}/s; CPU for each: database {:.0} µs",
            self.selects.median(),
            self.select.median(),
        );
        let row = Row::new(
            7,
            format!("`GET /v1/exports/{{id}}`, {CONNECTIONS} connections"),
            ours,
        );
        table.add(row.against(rival, self.ratios.median(), Limit::AtLeast(LEAST)));
    }
}

impl Gets {
    fn of(test: &LoadTest<'_>, ids: &[String]) -> Self {
        Self {
            head: "GET /v1/exports/".to_owned(),
            tail: format!(
                " HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
                test.address, test.key
            ),
            ids: ids.to_vec(),
        }
    }

    fn id(&self, number: u64) -> &str {
        let count = self.ids.len() as u64;
        // Less than the number of ids, which is a usize.
        #[expect(clippy::cast_possible_truncation, reason = "less than a length")]
        &self.ids[(number % count) as usize]
    }
}

impl Requests for Gets {
    fn write(&self, number: u64, request: &mut Vec<u8>) {
        request.clear();
        for part in [&self.head, self.id(number), &self.tail] {
            request.extend_from_slice(part.as_bytes());
        }
    }

    fn status(&self) -> u16 {
        200
    }

    fn body_holds(&self, number: u64) -> &[u8] {
        self.id(number).as_bytes()
    }
}
