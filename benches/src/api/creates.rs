//! `POST /v1/exports`, each with a new `Idempotency-Key`, while one connection listens for notifications, like a worker.

use std::io::Write;

use anyhow::Result;
use sqlx::postgres::PgListener;

use super::load::{self, Requests};
use super::{CONNECTIONS, LoadTest, ROUNDS, shown};
use crate::fixture::cluster_cpu_seconds;
use crate::samples::Samples;
use crate::table::{Row, Table};

const BODY: &str = r#"{"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-06T23:59:59Z"}"#;

struct Posts {
    /// The request before the key.
    begin: String,
    round: usize,
}

pub(super) async fn run(test: &LoadTest<'_>, table: &mut Table) -> Result<()> {
    durable(test, true).await?;
    let mut listener = PgListener::connect_with(test.database.pool()).await?;
    listener.listen("exports_pending").await?;
    let listening = tokio::spawn(async move { while listener.recv().await.is_ok() {} });
    let told = measure(test, table).await;
    listening.abort();
    durable(test, false).await?;
    told
}

async fn measure(test: &LoadTest<'_>, table: &mut Table) -> Result<()> {
    let [mut rate, mut p50, mut p99] = [(); 3].map(|()| Samples::default());
    let [mut api, mut database] = [(); 2].map(|()| Samples::default());
    let pool = test.fixture.admin();
    for round in 0..ROUNDS {
        let before = (
            test.service.cpu_seconds()?,
            cluster_cpu_seconds(pool).await?,
        );
        let posts = Posts::of(test, round);
        let answered = load::run(test.address, CONNECTIONS, test.span, posts).await?;
        let each = answered.per_second * test.span.as_secs_f64() / 1e6;
        api.add((test.service.cpu_seconds()? - before.0) / each);
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

/// Turns durability on, as in production; the fixture's server has it off.
async fn durable(test: &LoadTest<'_>, on: bool) -> Result<()> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let sql = if on {
            format!("ALTER SYSTEM SET {setting} = on")
        } else {
            format!("ALTER SYSTEM RESET {setting}")
        };
        test.database.sql(sql).await?;
    }
    test.database.sql("SELECT pg_reload_conf()").await?;
    test.database.sql("CHECKPOINT").await
}

impl Posts {
    fn of(test: &LoadTest<'_>, round: usize) -> Self {
        let begin = format!(
            "POST /v1/exports HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nIdempotency-Key: ",
            test.address,
            test.key,
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
