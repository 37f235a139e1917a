//! The result of a message's delivery: the columns that must be consistent.

use std::borrow::Cow;

use crate::seed::SeedMessage;
use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::MessageStatus;

use super::faults::{Fault, lasting, passing};
use super::random::Random;

/// The maximum number of attempts.
pub(super) const MAX_ATTEMPTS: u16 = 8;
/// The delay of each attempt after the creation, in milliseconds.
const SCHEDULE_MS: [i32; MAX_ATTEMPTS as usize] = [
    0, 5_000, 35_000, 155_000, 1_055_000, 4_655_000, 19_055_000, 62_255_000,
];

/// A random status, mostly `succeeded`.
pub(super) fn status(random: &mut Random) -> MessageStatus {
    match random.small(1000) {
        0..930 => MessageStatus::Succeeded,
        930..960 => MessageStatus::FailedPermanent,
        960..985 => MessageStatus::PendingRetry,
        985..993 => MessageStatus::Queued,
        _ => MessageStatus::Delivering,
    }
}

/// Fills the columns that depend on `message.status` and its time.
pub(super) fn fill(message: &mut SeedMessage, random: &mut Random) {
    match message.status {
        MessageStatus::Succeeded => succeeded(message, random),
        MessageStatus::FailedPermanent => failed(message, random),
        MessageStatus::PendingRetry => {
            message.attempt_count = 1 + random.small(MAX_ATTEMPTS - 1);
            fault(message, passing(random), random);
            let wait = scheduled(message.attempt_count + 1, random);
            message.next_attempt_at = Some(later(message.created_at, wait));
        }
        MessageStatus::Queued => {
            let wait = TimeDelta::microseconds(i64::from(random.small(u16::MAX)) * 50);
            message.next_attempt_at = Some(later(message.created_at, wait));
        }
        MessageStatus::Delivering => {
            message.attempt_count = 1 + random.small(3);
            if message.attempt_count > 1 {
                fault(message, passing(random), random);
            }
        }
    }
}

fn succeeded(message: &mut SeedMessage, random: &mut Random) {
    message.attempt_count = 1;
    if random.per_mille(40) {
        message.attempt_count += 1 + random.small(4);
        message.last_error = Some(Cow::Borrowed(passing(random).text));
    }
    let latency = latency_ms(random);
    let total = scheduled(message.attempt_count, random) + TimeDelta::milliseconds(latency.into());
    message.response_status = Some(*random.pick(&[200, 200, 200, 200, 201, 202, 204]));
    message.response_latency_ms = Some(latency);
    // At most the end of the schedule plus seconds, which fits i32.
    message.total_delivery_ms = i32::try_from(total.num_milliseconds()).ok();
    message.delivered_at = Some(later(message.created_at, total));
}

fn failed(message: &mut SeedMessage, random: &mut Random) {
    let reason = if random.per_mille(600) {
        message.attempt_count = 1;
        lasting(random)
    } else {
        message.attempt_count = MAX_ATTEMPTS.into();
        passing(random)
    };
    fault(message, reason, random);
}

fn fault(message: &mut SeedMessage, fault: Fault, random: &mut Random) {
    message.response_status = fault.response;
    message.response_latency_ms = fault.response.map(|_| latency_ms(random));
    message.last_error = Some(Cow::Borrowed(fault.text));
}

/// Mostly tens of milliseconds, sometimes seconds.
fn latency_ms(random: &mut Random) -> i32 {
    let quick = 12 + random.small(110);
    match random.small(1000) {
        0..940 => quick,
        940..997 => quick + random.small(2_500),
        _ => quick + random.small(28_000),
    }
}

/// The delay of an attempt after the creation, with less than a second of jitter.
fn scheduled(attempt: i32, random: &mut Random) -> TimeDelta {
    let last = SCHEDULE_MS.len() - 1;
    let index = usize::try_from(attempt - 1).map_or(0, |index| index.min(last));
    let jitter = i64::from(random.small(1000)) * 1000 + i64::from(random.small(1000));
    let jitter = if index == 0 { jitter / 1000 } else { jitter };
    TimeDelta::milliseconds(SCHEDULE_MS[index].into()) + TimeDelta::microseconds(jitter)
}

/// A later time, at most the last one that RFC 3339 can represent.
fn later(time: DateTime<Utc>, wait: TimeDelta) -> DateTime<Utc> {
    const LAST_US: i64 = 253_402_300_799_999_999;
    let last = DateTime::from_timestamp_micros(LAST_US).unwrap_or(time);
    time.checked_add_signed(wait).unwrap_or(last).min(last)
}
