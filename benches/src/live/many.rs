//! Ten thousand waiters on one API: none misses the end of its export, and what they cost.
//!
//! Half of the clients send long polls, half read event streams, each of an export of its own. While nothing changes,
//! the exports are in the queue and not due, and no worker runs. Then they become due, a hundred per second.

use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::events::since_completion;
use super::queued::{Queued, finish, queue};
use super::waiters::{Kind, Target, Waiters};
use super::{Live, address_of, millis};
use crate::fixture::{Service, mebibytes};
use crate::table::{Limit, Row, Table};
use crate::transactions::{Count, per_second};

/// Descriptors that are not for waiters: of the API (it needs two for each connection that it accepts, and reserves 64),
/// and of this program.
const RESERVED: u64 = 128;
const PER_CONNECTION: u64 = 2;
/// For requests that have just begun, and for the server's statistics: an idle connection reports up to 10 s late.
const SETTLE: Duration = Duration::from_secs(12);
/// For the responses after the last export.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);

/// The queries and the processor time of the API for some waiters, while nothing changes.
struct Idle {
    queries: f64,
    /// Of one core.
    cpu_percent: f64,
}

pub(super) async fn run(live: &Live<'_>, table: &mut Table) -> Result<()> {
    let count = waiters_that_fit(live.fixture.quick(), table)?;
    let connections = (count + 16).to_string();
    let settings = [
        ("EXPORTS_MAX_CONNECTIONS", connections.as_str()),
        ("EXPORTS_MAX_STREAMS_PER_PROJECT", "off"),
    ];
    let api = live
        .fixture
        .api(live.database, &live.store, &settings)
        .await?;
    let before = queue(
        live.database,
        if live.fixture.quick() { 300 } else { 1_000 },
    )
    .await?;
    let (without, with_one) = before.split_at(before.len() / 2);
    let many = queue(live.database, count).await?;

    let none = idle(live, &api).await?;
    let none_finishing = finishing(live, without).await?;
    // It waits for an export that ends last.
    let (last, rest) = with_one.split_last().expect("there are exports");
    let waiter = Waiters::open(address_of(&api)?, targets(live, &[*last])).await?;
    let one = idle(live, &api).await?;
    let one_finishing = finishing(live, rest).await?;
    finishing(live, &[*last]).await?;
    let arrived = waiter.arrivals(ARRIVAL_LIMIT).await?.len();
    ensure!(arrived == 1, "the only waiter missed the end of its export");

    // The connections of the pool and the memory of the first requests are not for the waiters.
    let memory_before = api.current_memory()?;
    let waiters = Waiters::open(address_of(&api)?, targets(live, &many)).await?;
    let all = idle(live, &api).await?;
    let memory = api.current_memory()?;
    let all_finishing = finishing(live, &many).await?;
    let arrivals = waiters.arrivals(ARRIVAL_LIMIT).await?;
    let missed = u32::try_from(count - arrivals.len())?;
    let latencies = since_completion(live, &arrivals).await?;

    let row = |what: &str, ours: String| Row::new(8, format!("{count} waiters: {what}"), ours);
    table.add(
        row(
            "waiters that missed the end of their export",
            "0".to_owned(),
        )
        .held_to(0.0, Limit::AtMost(0.0)),
    );
    let (p50, p95) = (millis(&latencies, 50), millis(&latencies, 95));
    table.add(row(
        "from an export's commit to its waiter, 100 exports per second, p95 in ms",
        format!("{p95:.1} ms (p50 {p50:.1} ms)"),
    ));
    // Far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let each = 1024.0 * mebibytes(memory.saturating_sub(memory_before)) / count as f64;
    let ours = format!("{each:.1} KiB");
    let row_of_each = row("memory of the API for each, KiB", ours);
    table.add(row_of_each.held_to(each, Limit::AtMost(20.0)));
    let peak = mebibytes(api.peak_memory()?);
    let row_of_peak = row("peak RSS of the API, MiB", format!("{peak:.0} MiB"));
    table.add(row_of_peak.held_to(peak, Limit::AtMost(256.0)));
    let (ours, theirs) = (all.queries - none.queries, one.queries - none.queries);
    table.add(
        row(
            "queries per second of the API while nothing changes",
            format!("{ours:.2}/s; CPU {:.1} % of a core", all.cpu_percent),
        )
        .against(
            format!("one waiter: {theirs:.2}/s; CPU {:.1} %", one.cpu_percent),
            ours / theirs,
            // The measurement is about 25 queries.
            Limit::AtMost(1.1),
        ),
    );
    table.add(row(
        "queries of the API for each export, 100 exports per second",
        format!(
            "{:.1}; one waiter, whose export does not change: {:.1}",
            all_finishing - none_finishing,
            one_finishing - none_finishing
        ),
    ));
    ensure!(
        missed == 0,
        "{missed} of {count} waiters missed the end of their export"
    );
    api.stop().await
}

/// As many waiters as the limits of open files allow. Raises the limit of this program.
fn waiters_that_fit(is_quick: bool, table: &mut Table) -> Result<usize> {
    let wanted = if is_quick { 1_000 } else { 10_000 };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let fit = usize::try_from(hard.saturating_sub(RESERVED) / PER_CONNECTION)?;
    if fit < wanted {
        let text = format!(
            "{fit} instead of {wanted}: the limit of open files is {hard} (`ulimit -Hn`), and the API accepts half as \
             many connections."
        );
        eprintln!("live: waiters: {text}");
        table.note("The number of waiters", text);
    }
    Ok(wanted.min(fit))
}

/// Streams first: long polls begin again after a minute, when the measurement while nothing changes is over.
fn targets(live: &Live<'_>, queued: &[Queued]) -> Vec<Target> {
    let half = queued.len() / 2;
    let targets = queued.iter().enumerate().map(|(number, queued)| Target {
        id: queued.id,
        key: live.keys[queued.project].clone(),
        kind: if number < half {
            Kind::Stream
        } else {
            Kind::Poll
        },
    });
    targets.collect()
}

async fn idle(live: &Live<'_>, api: &Service) -> Result<Idle> {
    // Several times the interval of the API's full reads.
    let time = Duration::from_secs(if live.fixture.quick() { 12 } else { 32 });
    tokio::time::sleep(SETTLE).await;
    let cpu = api.cpu_seconds()?;
    let queries = per_second(live.fixture, live.database, time).await?;
    Ok(Idle {
        queries,
        cpu_percent: 100.0 * (api.cpu_seconds()? - cpu) / time.as_secs_f64(),
    })
}

/// The queries of all programs for each of these exports, from the queue to its end.
async fn finishing(live: &Live<'_>, queued: &[Queued]) -> Result<f64> {
    let workers = live.workers().await?;
    tokio::time::sleep(SETTLE).await;
    let before = Count::read(live.fixture, live.database).await?;
    finish(live.database, queued).await?;
    tokio::time::sleep(SETTLE).await;
    let queries = before.since(live.fixture, live.database).await?;
    for worker in workers {
        worker.stop().await?;
    }
    // Far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let count = queued.len() as f64;
    Ok(queries / count)
}
