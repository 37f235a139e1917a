//! `POST /v1/exports`, each with an `Idempotency-Key` of its own, while somebody listens for new
//! exports as a worker does.

use std::io::Write;

use anyhow::Result;
use sqlx::postgres::PgListener;

use super::load::{self, Requests};
use super::{CONNECTIONS, ROUNDS, Stage, shown};
use crate::samples::Samples;
use crate::scene::cluster_cpu_seconds;
use crate::table::{Row, Table};

const BODY: &str = r#"{"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-06T23:59:59Z"}"#;

struct Posts {
    /// Up to the key.
    begin: String,
    round: usize,
}

pub(super) async fn run(stage: &Stage<'_>, table: &mut Table) -> Result<()> {
    durable(stage, true).await?;
    let mut listener = PgListener::connect_with(stage.database.pool()).await?;
    listener.listen("exports_pending").await?;
    let listening = tokio::spawn(async move { while listener.recv().await.is_ok() {} });
    let told = measure(stage, table).await;
    listening.abort();
    durable(stage, false).await?;
    told
}

async fn measure(stage: &Stage<'_>, table: &mut Table) -> Result<()> {
    let [mut rate, mut p50, mut p99] = [(); 3].map(|()| Samples::default());
    let [mut api, mut database] = [(); 2].map(|()| Samples::default());
    let pool = stage.scene.admin();
    for round in 0..ROUNDS {
        let before = (
            stage.service.cpu_seconds()?,
            cluster_cpu_seconds(pool).await?,
        );
        let posts = Posts::of(stage, round);
        let answered = load::run(stage.address, CONNECTIONS, stage.span, posts).await?;
        let each = answered.per_second * stage.span.as_secs_f64() / 1e6;
        api.add((stage.service.cpu_seconds()? - before.0) / each);
        database.add((cluster_cpu_seconds(pool).await? - before.1) / each);
        let (middle, high) = shown(&answered);
        rate.add(answered.per_second);
        p50.add(middle);
        p99.add(high);
    }
    let ours = format!(
        "{:.0}/s; p50 {:.2} ms, p99 {:.2} ms; CPU for each: API {:.0} µs, database {:.0} µs",
        rate.median(),
        p50.median(),
        p99.median(),
        api.median(),
        database.median(),
    );
    table.add(Row::new(
        7,
        format!(
            "`POST /v1/exports`, {CONNECTIONS} connections, with `Idempotency-Key`, one listener, fsync on"
        ),
        ours,
    ));
    Ok(())
}

/// The scene's server does not wait for its disk; one that keeps a customer's exports does.
async fn durable(stage: &Stage<'_>, on: bool) -> Result<()> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let sql = if on {
            format!("ALTER SYSTEM SET {setting} = on")
        } else {
            format!("ALTER SYSTEM RESET {setting}")
        };
        stage.database.sql(sql).await?;
    }
    stage.database.sql("SELECT pg_reload_conf()").await?;
    stage.database.sql("CHECKPOINT").await
}

impl Posts {
    fn of(stage: &Stage<'_>, round: usize) -> Self {
        let begin = format!(
            "POST /v1/exports HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nIdempotency-Key: ",
            stage.address,
            stage.key,
            BODY.len()
        );
        Self { begin, round }
    }
}

impl Requests for Posts {
    fn write(&self, number: u64, request: &mut Vec<u8>) {
        request.clear();
        let Self { begin, round } = self;
        write!(request, "{begin}{round}-{number}\r\n\r\n{BODY}").expect("a Vec takes everything");
    }

    fn status(&self) -> u16 {
        201
    }

    fn body_holds(&self, _number: u64) -> &[u8] {
        br#""status":"pending""#
    }
}
