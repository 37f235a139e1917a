//! Generates load: several connections, each with one request after the other, for some time.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::{JoinSet, LocalSet, spawn_blocking};

use crate::http::Connection;
use crate::samples::Samples;

/// The requests of each connection and the expected responses; any other response is an error.
pub(super) trait Requests: Send + 'static {
    /// Writes the next request into the buffer. `number` is unique.
    fn write(&self, number: u64, request: &mut Vec<u8>);
    /// The expected status.
    fn status(&self) -> u16;
    /// The expected text in the body of the response.
    fn body_holds(&self, number: u64) -> &[u8];
}

/// The results of a load.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) per_second: f64,
    /// Seconds from the first byte of a request to the last byte of its response.
    pub(super) latencies: Samples,
}

/// Sends requests for the time `span`, after all connections are open. It uses one thread, to leave the processors to the API and
/// the database.
pub(super) async fn run(
    address: SocketAddr,
    connections: usize,
    span: Duration,
    requests: impl Requests,
) -> Result<Answered> {
    let thread = spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let asking = all(address, connections, span, Rc::new(requests));
        LocalSet::new().block_on(&runtime, asking)
    });
    thread.await?
}

async fn all(
    address: SocketAddr,
    connections: usize,
    span: Duration,
    requests: Rc<impl Requests>,
) -> Result<Answered> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for (number, connection) in (0..).zip(open) {
        let requests = Rc::clone(&requests);
        let numbers = (number..).step_by(connections);
        asking.spawn_local(one(connection, requests, numbers, begun + span));
    }
    let mut all: Vec<Duration> = Vec::new();
    while let Some(latencies) = asking.join_next().await {
        all.append(&mut latencies??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(!all.is_empty(), "no response within {span:?}");
    let mut latencies = Samples::default();
    for latency in &all {
        latencies.add_time(*latency);
    }
    let count = u32::try_from(all.len()).context("more answers than fit into a run")?;
    Ok(Answered {
        per_second: f64::from(count) / seconds,
        latencies,
    })
}

async fn one(
    mut connection: Connection,
    requests: Rc<impl Requests>,
    numbers: impl Iterator<Item = u64>,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut request = Vec::new();
    for number in numbers {
        requests.write(number, &mut request);
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        let answer = connection.ask(&request).await?;
        let held = requests.body_holds(number);
        let expected = answer.status == requests.status()
            && answer.body.windows(held.len()).any(|part| part == held);
        ensure!(
            expected,
            "{} instead of {} with {}: {}",
            answer.status,
            requests.status(),
            held.escape_ascii(),
            answer.body.escape_ascii()
        );
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}
