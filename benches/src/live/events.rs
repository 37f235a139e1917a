//! The time from the commit of a completed export to the arrival of its event at a client of
//! `GET /v1/exports/events`.
//!
//! The begin is the export's `completed_at`, which the database reads from its clock in the statement that commits it,
//! so the time of that commit is included. The end is the clock of this program when the event is received whole. Both
//! are the clock of this machine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use exports_domain::{Clock, SystemClock};
use serde_json::Value;
use tokio::time::{interval, timeout};
use uuid::Uuid;

use super::queued::completion_times;
use super::stream::EventStream;
use super::{Live, millis};
use crate::queue::{filter, project};
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

/// Ten per second.
const EVERY: Duration = Duration::from_millis(100);
/// For all events after the last create.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn run(live: &Live<'_>, address: SocketAddr, table: &mut Table) -> Result<()> {
    let count = if live.fixture.quick() { 100 } else { 300 };
    let mut stream = EventStream::open(address, "/v1/exports/events", &live.keys[0]).await?;
    let receiving = tokio::spawn(async move {
        let mut arrivals = HashMap::new();
        while arrivals.len() < count {
            let event = stream.next().await?.context("the stream has ended")?;
            let now = SystemClock.now();
            let event: Value = serde_json::from_str(&event)?;
            if event["status"] == "completed" {
                let id = event["id"].as_str().context("an event without an id")?;
                arrivals.entry(id.parse::<Uuid>()?).or_insert(now);
            }
        }
        anyhow::Ok(arrivals)
    });
    let filter = filter()?;
    let mut trickle = interval(EVERY);
    for _ in 0..count {
        trickle.tick().await;
        live.database.create_export(&project(0), &filter).await?;
    }
    let arrivals = timeout(LIMIT, receiving).await;
    let arrivals = arrivals.context("an event is missing")???;
    let latencies = since_completion(live, &arrivals).await?;
    let (p50, p95) = (millis(&latencies, 50), millis(&latencies, 95));
    let row = Row::new(
        8,
        "from an export's commit to its event, 10 per second, p95 in ms",
        format!("{p95:.1} ms (p50 {p50:.1} ms)"),
    );
    table.add(row.held_to(p95, Limit::AtMost(20.0)));
    Ok(())
}

/// From the completion of each export to these times.
pub(super) async fn since_completion(
    live: &Live<'_>,
    arrivals: &HashMap<Uuid, DateTime<Utc>>,
) -> Result<Samples> {
    let ids: Vec<_> = arrivals.keys().copied().collect();
    let mut latencies = Samples::default();
    for (id, completed_at) in completion_times(live.database, &ids).await? {
        let latency = arrivals[&id] - completed_at;
        latencies.add(latency.as_seconds_f64());
    }
    Ok(latencies)
}
