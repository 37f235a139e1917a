//! Every event arrives, whatever receivers do and although workers are killed.
//!
//! `WEBHOOK_EXPORTS` sets the number of exports; 1,000 take a few minutes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use exports_domain::Direction;
use exports_tests::{Fixture, eventually, everything};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::receiver::{Answer, Receiver};
use crate::support::{create, fixture, retry_now};

const DEFAULT_EXPORTS: usize = 40;

/// A reproducible sequence with every fault.
fn fault(number: usize, elsewhere: &str) -> Answer {
    // A multiplicative hash; the constant is 2^64 divided by the golden ratio.
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
    match mixed {
        0..=5 => Answer::Status(500),
        6 => Answer::Hang,
        7..=10 => Answer::Reset,
        11..=13 => Answer::Redirect(elsewhere.to_owned()),
        14 => Answer::Status(429),
        _ => Answer::Status(200),
    }
}

/// One of two thousand deliveries would have ten faults in a row, and end as `failed`.
async fn keep_attempts(fixture: &Fixture) {
    let keep = "UPDATE webhook_deliveries SET attempt = 5
                WHERE status = 'pending' AND lease_token IS NULL AND attempt > 5";
    fixture.database().execute(keep).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_delivered_despite_faults_of_receivers_and_killed_workers() {
    let exports = std::env::var("WEBHOOK_EXPORTS").ok();
    let exports: usize = exports.map_or(DEFAULT_EXPORTS, |count| count.parse().unwrap());
    let fixture = fixture()
        .workers(0)
        .worker_env("EXPORTS_LEASE", "3s")
        .start()
        .await;
    fixture.insert_one_message().await;
    let forbidden = Receiver::answering(Answer::Status(200)).await;
    let elsewhere = forbidden.url();
    let receiver = Receiver::start(move |number| fault(number, &elsewhere)).await;
    let (_, secret) = create(&fixture, &receiver.url(), &["export.completed"]).await;

    let mut workers = [fixture.start_worker(&[]), fixture.start_worker(&[])];
    let mut ids = HashSet::new();
    for _ in 0..exports {
        let id = fixture.queue_export(everything(Direction::Outbound)).await;
        ids.insert(id.to_string());
    }
    let (mut rounds, mut verified) = (0, 0);
    let limit = Duration::from_secs(120 + exports as u64);
    eventually("every event is delivered", limit, async || {
        rounds += 1;
        // As a receiver does: at once, because a signature is valid for five minutes.
        let requests = receiver.received();
        for request in &requests[verified..] {
            request.assert_signed_with(&secret);
        }
        verified = requests.len();
        // The pauses of days are not waited for, nor the leases of killed workers.
        if rounds % 8 == 0 {
            keep_attempts(&fixture).await;
            retry_now(&fixture).await;
        }
        // Killed at any moment, also between the answer of the receiver and its record.
        if rounds % 40 == 0 && rounds < 400 {
            let victim = &mut workers[rounds / 40 % 2];
            victim.signal(Signal::SIGKILL);
            *victim = fixture.start_worker(&[]);
        }
        let left = "SELECT count(*) FROM exports WHERE status <> 'completed'";
        let undelivered = "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'";
        let is_done = fixture.database().value(left).await == 0
            && fixture.database().value(undelivered).await == 0;
        is_done.then_some(())
    })
    .await;

    let requests = receiver.received();
    let mut exports_of: HashMap<&str, Value> = HashMap::new();
    for request in &requests[verified..] {
        request.assert_signed_with(&secret);
    }
    for request in &requests {
        let body = request.json();
        assert_eq!(body["type"], "export.completed");
        let export = body["data"]["id"].clone();
        let first = exports_of
            .entry(request.id())
            .or_insert_with(|| export.clone());
        assert_eq!(*first, export, "an id belongs to one event");
    }
    let accepted = receiver.accepted();
    let delivered: HashSet<_> = accepted
        .iter()
        .map(|id| exports_of[id.as_str()].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(delivered, ids, "each export is accepted at least once");
    assert!(requests.len() > exports, "there were faults");
    assert!(forbidden.received().is_empty(), "no redirect is followed");
}
