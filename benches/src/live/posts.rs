//! The time from `POST /v1/exports` with `Prefer: wait=10` to the response with the completed export.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};

use super::{Live, millis};
use crate::http::Connection;
use crate::queue::MESSAGES;
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

/// Of one connection. Ten connections, which begin one after the other, send ten requests per second.
const EVERY: Duration = Duration::from_secs(1);
/// The requests of each connection that are not measured: the first exports of the workers open connections.
const WARM_UP: usize = 2;

const BODY: &str = r#"{"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-02T00:00:00Z"}"#;

pub(super) async fn run(live: &Live<'_>, address: SocketAddr, table: &mut Table) -> Result<()> {
    let each = if live.fixture.quick() { 10 } else { 30 };
    let begin = Instant::now() + EVERY;
    let mut asking = JoinSet::new();
    for (number, key) in (0..).zip(&live.keys) {
        let request = format!(
            "POST /v1/exports HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nPrefer: wait=10\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        let begin = begin + EVERY / 10 * number;
        asking.spawn(one(address, request, begin, each));
    }
    let mut latencies = Samples::default();
    while let Some(asked) = asking.join_next().await {
        for latency in asked?? {
            latencies.add_time(latency);
        }
    }
    // The times of the database for the exports of this measurement, which are the only ones.
    let parts: Vec<f64> = sqlx::query_scalar(
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM part)::float8)
         FROM exports, LATERAL (VALUES (1, started_at - created_at), (2, completed_at - started_at)) parts (n, part)
         GROUP BY n ORDER BY n",
    )
    .fetch_all(live.database.pool())
    .await?;
    let what = format!(
        "`POST /v1/exports` with `Prefer: wait=10`, {MESSAGES} rows, 10 per second, two workers: from the request to \
         the completed export"
    );
    let p50 = millis(&latencies, 50);
    let ours = format!(
        "{p50:.1} ms; from the create to the claim {:.1} ms, from the claim to the end {:.1} ms",
        parts[0], parts[1]
    );
    let row = Row::new(8, format!("{what}, p50 in ms"), ours);
    table.add(row.held_to(p50, Limit::AtMost(10.0)));
    let p95 = millis(&latencies, 95);
    let row = Row::new(8, format!("{what}, p95 in ms"), format!("{p95:.1} ms"));
    table.add(row.held_to(p95, Limit::AtMost(25.0)));
    Ok(())
}

async fn one(
    address: SocketAddr,
    request: String,
    begin: Instant,
    count: usize,
) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut ticks = interval_at(begin, EVERY);
    let mut latencies = Vec::new();
    for _ in 0..WARM_UP + count {
        ticks.tick().await;
        let sent = Instant::now();
        let answer = connection.ask(request.as_bytes()).await?;
        latencies.push(sent.elapsed());
        let completed = br#""status":"completed""#;
        ensure!(
            answer.status == 201
                && answer
                    .body
                    .windows(completed.len())
                    .any(|it| it == completed),
            "{} without a completed export: {}",
            answer.status,
            answer.body.escape_ascii()
        );
    }
    Ok(latencies.split_off(WARM_UP))
}
