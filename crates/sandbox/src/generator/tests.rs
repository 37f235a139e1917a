//! Properties of the generated messages.

use std::collections::{BTreeMap, HashSet};

use exports_domain::MessageStatus;
use exports_domain::time::{parse, to_wire};
use sha2::{Digest, Sha256};

use super::*;

fn project(name: &str) -> ProjectId {
    name.parse().unwrap()
}

fn plan(messages: u64, seed: u64) -> Plan {
    plan_in(
        messages,
        seed,
        "2025-12-01T00:00:00Z",
        "2025-12-06T23:59:59Z",
    )
}

fn plan_in(messages: u64, seed: u64, start: &str, end: &str) -> Plan {
    Plan {
        messages,
        seed,
        range: TimeRange::new(parse(start).unwrap(), parse(end).unwrap()).unwrap(),
    }
}

fn messages(plan: Plan) -> Vec<SeedMessage> {
    Messages::new(&project("proj_abc123"), plan).collect()
}

#[test]
fn rows_depend_only_on_the_project_and_the_plan() {
    let rows = messages(plan(2_000, 1));
    assert_eq!(rows, messages(plan(2_000, 1)));
    let ids: HashSet<_> = rows.iter().map(|message| message.id).collect();
    assert_eq!(ids.len(), rows.len());
    let others = messages(plan(2_000, 2))
        .into_iter()
        .chain(Messages::new(&project("proj_other"), plan(2_000, 1)));
    assert!(others.into_iter().all(|other| !ids.contains(&other.id)));
}

/// A failure means that the same seed gives other rows than before, which is a breaking change.
#[test]
fn the_rows_are_equal_to_those_of_the_first_version() {
    let mut digest = Sha256::new();
    let project = project("proj_abc123");
    for endpoint in Messages::new(&project, plan(0, 1)).endpoints() {
        digest.update(format!("{} {}", endpoint.id, endpoint.url));
    }
    for row in messages(plan(5_000, 1)) {
        let times = [Some(row.created_at), row.delivered_at, row.next_attempt_at];
        digest.update(format!(
            "{} {} {} {} {:?} {:?} {:?} {:?} {:?} {:?}",
            row.id,
            row.direction,
            row.endpoint,
            row.status,
            row.attempt_count,
            times.map(|time| time.map(to_wire)),
            row.response_status,
            row.response_latency_ms,
            row.total_delivery_ms,
            row.last_error,
        ));
    }
    assert_eq!(
        hex::encode(digest.finalize()),
        "faf15835f34a66ffd74678f1733090decde978689fed9d44e47213ec353f1074"
    );
}

#[test]
fn the_columns_of_a_row_are_consistent() {
    for row in messages(plan(50_000, 3)) {
        let delivered = row.status == MessageStatus::Succeeded;
        let waiting = matches!(
            row.status,
            MessageStatus::PendingRetry | MessageStatus::Queued
        );
        assert_eq!(row.delivered_at.is_some(), delivered, "{row:?}");
        assert_eq!(row.total_delivery_ms.is_some(), delivered, "{row:?}");
        assert_eq!(row.next_attempt_at.is_some(), waiting, "{row:?}");
        assert_eq!(
            row.response_latency_ms.is_some(),
            row.response_status.is_some(),
            "{row:?}"
        );
        assert!(row.delivered_at.is_none_or(|at| at > row.created_at));
        assert!(row.next_attempt_at.is_none_or(|at| at >= row.created_at));
        let failures = match row.status {
            MessageStatus::Queued => {
                assert_eq!((row.attempt_count, row.response_status), (0, None));
                0
            }
            // The attempt that succeeded, or that is in progress, has not failed.
            MessageStatus::Succeeded | MessageStatus::Delivering => row.attempt_count - 1,
            MessageStatus::PendingRetry | MessageStatus::FailedPermanent => row.attempt_count,
        };
        assert!((0..=i32::from(outcome::MAX_ATTEMPTS)).contains(&failures));
        assert_eq!(row.last_error.is_some(), failures > 0, "{row:?}");
    }
}

#[test]
fn most_messages_are_outbound_and_succeed_and_every_kind_occurs() {
    let mut counts = BTreeMap::new();
    for row in messages(plan(20_000, 1)) {
        *counts
            .entry((row.direction.as_str(), row.status.as_str()))
            .or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 10, "{counts:?}");
    let outbound: i32 = counts
        .iter()
        .filter(|((direction, _), _)| *direction == "outbound")
        .map(|(_, count)| count)
        .sum();
    assert!((16_700..17_300).contains(&outbound), "{counts:?}");
    assert!(counts[&("outbound", "succeeded")] > 15_000, "{counts:?}");
}

#[test]
fn times_are_ordered_and_include_both_ends_of_the_range() {
    let rows = messages(plan(5_000, 1));
    assert!(rows.is_sorted_by_key(|row| row.created_at));
    assert_eq!(to_wire(rows[0].created_at), "2025-12-01T00:00:00Z");
    assert_eq!(to_wire(rows[4_999].created_at), "2025-12-06T23:59:59Z");
    let ties = rows
        .windows(2)
        .filter(|pair| pair[0].created_at == pair[1].created_at)
        .count();
    assert!((20..100).contains(&ties), "{ties}");
    assert!(
        rows.iter()
            .any(|row| row.created_at.timestamp_subsec_micros() % 1000 != 0)
    );
}

#[test]
fn the_shortest_and_the_longest_range_work() {
    let short = plan_in(
        1_000,
        1,
        "2025-12-01T00:00:00Z",
        "2025-12-01T00:00:00.000001Z",
    );
    assert!(messages(short).is_sorted_by_key(|row| row.created_at));
    let last = "9999-12-31T23:59:59.999999Z";
    let long = plan_in(1_000, 1, "0001-01-01T00:00:00Z", last);
    let last = parse(last).unwrap();
    for row in messages(long) {
        let latest = [row.delivered_at, row.next_attempt_at]
            .into_iter()
            .flatten();
        assert!(latest.into_iter().all(|at| at <= last));
    }
    assert_eq!(messages(plan(0, 1)), []);
    assert_eq!(messages(plan(1, 1)).len(), 1);
}
