//! `GET /v1/exports/{id}` beside a prepared SELECT of the same row by its primary key.

use anyhow::{Context, Result};

use super::load::{self, Requests};
use super::{CONNECTIONS, PROJECT, ROUNDS, Stage, pgbench, shown};
use crate::samples::Samples;
use crate::scene::cluster_cpu_seconds;
use crate::table::{Bar, Row, Table};

/// Of the issue: our rate in `pgbench`'s.
const LEAST: f64 = 0.5;
/// So that the index is more than one page deep.
const EXPORTS: u32 = 20_000;

struct Gets {
    request: Vec<u8>,
    id: Vec<u8>,
}

pub(super) async fn run(stage: &Stage<'_>, table: &mut Table) -> Result<()> {
    let id = completed_export(stage).await?;
    let mut figures = Figures::default();
    // Connections and prepared statements are there before anything counts.
    load::run(stage.address, CONNECTIONS, stage.span, Gets::of(stage, &id)).await?;
    for _ in 0..ROUNDS {
        figures.compare(stage, &id).await?;
    }
    figures.tell(table);
    Ok(())
}

/// One of many, with everything that a completed export has.
async fn completed_export(stage: &Stage<'_>) -> Result<String> {
    let insert = format!(
        "INSERT INTO exports (id, project_id, created_at, due_at, direction, filter_start_time,
                              filter_end_time, status, attempt, lease_token, started_at,
                              completed_at, expires_at, row_count, file_size_bytes, sha256, object_key)
         SELECT gen_random_uuid(), '{PROJECT}', at, at, 'outbound', at - interval '1 week', at,
                'completed', 1, gen_random_uuid(), at + interval '1 s', at + interval '2 s',
                at + interval '7 days', 5000, 1024000, sha256(n::text::bytea), 'key/' || n
         FROM generate_series(1, {EXPORTS}) n, LATERAL (SELECT now() - n * interval '1 s' AS at) t"
    );
    stage.database.sql(insert).await?;
    stage.database.sql("VACUUM (ANALYZE) exports").await?;
    stage.database.sql("CHECKPOINT").await?;
    let id = sqlx::query_scalar("SELECT id::text FROM exports ORDER BY id LIMIT 1");
    id.fetch_one(stage.database.pool())
        .await
        .context("an export")
}

/// Of all rounds.
#[derive(Default)]
struct Figures {
    reads: Samples,
    p50: Samples,
    p99: Samples,
    selects: Samples,
    ratios: Samples,
    /// Microseconds of processor time for each answer: the API's, and the database's.
    api: Samples,
    database: Samples,
    /// The database's for each of `pgbench`'s transactions.
    select: Samples,
}

impl Figures {
    async fn compare(&mut self, stage: &Stage<'_>, id: &str) -> Result<()> {
        let pool = stage.scene.admin();
        let before = cluster_cpu_seconds(pool).await?;
        let selects =
            pgbench::per_second(stage.scene, stage.database, id, CONNECTIONS, stage.span).await?;
        let spent = cluster_cpu_seconds(pool).await? - before;
        self.select
            .add(spent / (selects * stage.span.as_secs_f64()) * 1e6);
        let (api, database) = (
            stage.service.cpu_seconds()?,
            cluster_cpu_seconds(pool).await?,
        );
        let answered =
            load::run(stage.address, CONNECTIONS, stage.span, Gets::of(stage, id)).await?;
        let each = answered.per_second * stage.span.as_secs_f64() / 1e6;
        self.api.add((stage.service.cpu_seconds()? - api) / each);
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
            "pgbench, prepared SELECT of the row by its id: {:.0}/s; CPU for each: database {:.0} µs",
            self.selects.median(),
            self.select.median(),
        );
        let row = Row::new(
            7,
            format!("`GET /v1/exports/{{id}}`, {CONNECTIONS} connections"),
            ours,
        );
        table.add(row.against(rival, self.ratios.median(), Bar::AtLeast(LEAST)));
    }
}

impl Gets {
    fn of(stage: &Stage<'_>, id: &str) -> Self {
        let request = format!(
            "GET /v1/exports/{id} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            stage.address, stage.key
        );
        Self {
            request: request.into_bytes(),
            id: id.as_bytes().to_owned(),
        }
    }
}

impl Requests for Gets {
    fn write(&self, _number: u64, request: &mut Vec<u8>) {
        request.clone_from(&self.request);
    }

    fn status(&self) -> u16 {
        200
    }

    fn body_holds(&self) -> &[u8] {
        &self.id
    }
}
