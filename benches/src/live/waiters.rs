//! Thousands of clients that wait for the end of an export each, from one thread.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, Utc};
use exports_domain::{Clock, SystemClock};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet, LocalSet, spawn_blocking};
use uuid::Uuid;

use super::stream::EventStream;
use crate::http::Connection;

/// How many connections are opened at a time.
const OPENING: usize = 32;
const OPEN_LIMIT: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `GET /v1/exports/{id}?wait=60`, again until the export has ended.
    Poll,
    /// `GET /v1/exports/{id}/events`.
    Stream,
}

/// One client.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) id: Uuid,
    pub(super) key: String,
    pub(super) kind: Kind,
}

/// Clients that wait.
#[derive(Debug)]
pub(super) struct Waiters {
    count: usize,
    counts: Arc<Counts>,
    thread: JoinHandle<Result<Arrivals>>,
    /// The clients that still wait stop when it is dropped.
    stop: oneshot::Sender<()>,
}

/// When each client learned of the end of its export.
pub(super) type Arrivals = HashMap<Uuid, DateTime<Utc>>;

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    ended: AtomicUsize,
}

impl Waiters {
    /// Opens all connections. Returns when all clients wait.
    pub(super) async fn open(address: SocketAddr, targets: Vec<Target>) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::<Counts>::default();
        let mut this = Self {
            count: targets.len(),
            counts: Arc::clone(&counts),
            thread: spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                let waiting = all(address, targets, counts, stopped);
                LocalSet::new().block_on(&runtime, waiting)
            }),
            stop,
        };
        let begun = Instant::now();
        while this.counts.open.load(Ordering::Relaxed) < this.count {
            if this.thread.is_finished() {
                (&mut this.thread).await??;
                bail!("the waiting clients have stopped");
            }
            ensure!(
                begun.elapsed() < OPEN_LIMIT,
                "not all connections are open after {OPEN_LIMIT:?}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(this)
    }

    /// Waits until all clients have learned of the end of their exports, at most so long. Returns when each has; those
    /// that have missed it are not in the result.
    pub(super) async fn arrivals(self, limit: Duration) -> Result<Arrivals> {
        let begun = Instant::now();
        while self.counts.ended.load(Ordering::Relaxed) < self.count && begun.elapsed() < limit {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        drop(self.stop);
        self.thread.await?
    }
}

async fn all(
    address: SocketAddr,
    targets: Vec<Target>,
    counts: Arc<Counts>,
    mut stopped: oneshot::Receiver<()>,
) -> Result<Arrivals> {
    let opening = Rc::new(Semaphore::new(OPENING));
    let mut waiting = JoinSet::new();
    for target in targets {
        let (opening, counts) = (Rc::clone(&opening), Arc::clone(&counts));
        waiting.spawn_local(async move {
            let at = match target.kind {
                Kind::Poll => poll(address, &target, &opening, &counts).await?,
                Kind::Stream => stream(address, &target, &opening, &counts).await?,
            };
            counts.ended.fetch_add(1, Ordering::Relaxed);
            anyhow::Ok((target.id, at))
        });
    }
    let mut arrivals = HashMap::new();
    loop {
        tokio::select! {
            ended = waiting.join_next() => match ended {
                Some(ended) => arrivals.extend([ended??]),
                None => return Ok(arrivals),
            },
            _ = &mut stopped => break,
        }
    }
    while let Some(ended) = waiting.try_join_next() {
        arrivals.extend([ended??]);
    }
    Ok(arrivals)
}

async fn poll(
    address: SocketAddr,
    target: &Target,
    opening: &Semaphore,
    counts: &Counts,
) -> Result<DateTime<Utc>> {
    let request = |query: &str| {
        format!(
            "GET /v1/exports/{}{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
            target.id, target.key
        )
    };
    let permit = opening.acquire().await?;
    let mut connection = Connection::open(address).await?;
    // A response shows that the connection is accepted.
    let status = connection.ask(request("").as_bytes()).await?.status;
    ensure!(status == 200, "{status} for {}", target.id);
    drop(permit);
    counts.open.fetch_add(1, Ordering::Relaxed);
    let request = request("?wait=60");
    loop {
        let answer = connection.ask(request.as_bytes()).await?;
        let now = SystemClock.now();
        let body = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 200, "{}: {body}", answer.status);
        if is_completed(&body) {
            return Ok(now);
        }
    }
}

async fn stream(
    address: SocketAddr,
    target: &Target,
    opening: &Semaphore,
    counts: &Counts,
) -> Result<DateTime<Utc>> {
    let permit = opening.acquire().await?;
    let path = format!("/v1/exports/{}/events", target.id);
    let mut stream = EventStream::open(address, &path, &target.key).await?;
    drop(permit);
    counts.open.fetch_add(1, Ordering::Relaxed);
    let mut completed_at = None;
    while let Some(event) = stream.next().await? {
        if completed_at.is_none() && is_completed(&event) {
            completed_at = Some(SystemClock.now());
        }
    }
    match completed_at {
        Some(at) => Ok(at),
        None => bail!("the stream of {} ended without its end", target.id),
    }
}

fn is_completed(export: &str) -> bool {
    export.contains(r#""status":"completed""#)
}
