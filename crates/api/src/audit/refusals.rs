//! Refused requests. A flood of them is summed up per address and minute, so it cannot fill the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{Origin, Subject};

/// The period of a summary.
const WINDOW: Duration = Duration::from_mins(1);
/// Refusals of one address in a period that are logged one by one.
const FULL_LINES: u64 = 5;
/// Addresses in a period that are told apart.
const MAX_ADDRESSES: usize = 256;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
pub(crate) enum Refusal {
    #[strum(serialize = "no key, or a malformed one")]
    NoKey,
    #[strum(serialize = "the key is unknown, revoked or expired")]
    InvalidKey,
    #[strum(serialize = "the project is suspended")]
    ProjectSuspended,
    #[strum(serialize = "the signature of the link is invalid")]
    InvalidSignature,
}

/// Logs and counts refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Option<Window>>);

/// The refusals of one period.
#[derive(Debug, Default)]
struct Window {
    addresses: HashMap<Option<IpAddr>, u64>,
    /// Refusals of further addresses.
    others: u64,
}

/// A line that sums up refusals which were not logged one by one.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    /// `None`: the connection has no address.
    client: Option<IpAddr>,
    refused: u64,
}

impl Refusals {
    pub(super) fn record(self: &Arc<Self>, origin: Origin, subject: &Subject, refusal: Refusal) {
        if self.count(origin.client) {
            log(origin, subject, refusal);
        }
    }

    /// Counts a refusal. True if it is to be logged itself.
    fn count(self: &Arc<Self>, client: Option<IpAddr>) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = window.get_or_insert_with(|| {
            // The first refusal of a period starts it; without refusals there is no timer.
            let refusals = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(WINDOW).await;
                refusals.end_window();
            });
            Window::default()
        });
        window.count(client)
    }

    /// Writes the summaries of the present period and ends it.
    pub(super) fn end_window(&self) {
        let window = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(window) = window else { return };
        let others = window.others;
        for Summary { client, refused } in window.summaries() {
            tracing::warn!(
                target: "audit",
                action = "authenticate",
                outcome = "refused",
                client.address = client.map(tracing::field::display),
                refused,
                period_s = WINDOW.as_secs(),
                "further requests of this address were refused"
            );
        }
        if others > 0 {
            tracing::warn!(
                target: "audit",
                action = "authenticate",
                outcome = "refused",
                refused = others,
                period_s = WINDOW.as_secs(),
                "requests of other addresses were refused"
            );
        }
    }
}

impl Window {
    fn count(&mut self, client: Option<IpAddr>) -> bool {
        if let Some(count) = self.addresses.get_mut(&client) {
            *count += 1;
            return *count <= FULL_LINES;
        }
        if self.addresses.len() >= MAX_ADDRESSES {
            self.others += 1;
            return false;
        }
        self.addresses.insert(client, 1);
        true
    }

    fn summaries(self) -> impl Iterator<Item = Summary> {
        let counts = self.addresses.into_iter();
        counts.filter_map(|(client, count)| {
            let refused = count
                .checked_sub(FULL_LINES)
                .filter(|further| *further > 0)?;
            Some(Summary { client, refused })
        })
    }
}

fn log(origin: Origin, subject: &Subject, refusal: Refusal) {
    let reason: &str = refusal.into();
    tracing::warn!(
        target: "audit",
        action = "authenticate",
        outcome = "refused",
        reason,
        request_id = origin.request.map(tracing::field::display),
        client.address = origin.client.map(tracing::field::display),
        key.id = subject.key().map(tracing::field::display),
        project.id = subject.project().map(tracing::field::display),
        "a request was refused"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as the audit log takes it")]
    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn the_first_refusals_of_an_address_are_logged_and_the_rest_is_summed_up() {
        let mut window = Window::default();
        let logged = (0..1000).filter(|_| window.count(address(1))).count();
        assert_eq!(logged, 5);
        assert!(window.count(address(2)), "every address has its own count");
        let summaries: Vec<_> = window.summaries().collect();
        let expected = Summary {
            client: address(1),
            refused: 995,
        };
        assert_eq!(summaries, [expected]);
    }

    #[test]
    fn a_flood_from_many_addresses_gives_a_bounded_number_of_lines() {
        let mut window = Window::default();
        let mut logged = 0;
        for _ in 0..10 {
            logged += (0..10_000)
                .filter(|number| window.count(address(*number)))
                .count();
        }
        assert_eq!(logged, 256 * 5);
        assert_eq!(window.others, 10 * (10_000 - 256));
        let summaries: Vec<_> = window.summaries().collect();
        assert_eq!(summaries.len(), 256);
        assert!(summaries.iter().all(|summary| summary.refused == 5));
    }

    #[tokio::test]
    async fn a_new_period_counts_from_zero() {
        let refusals = Arc::new(Refusals::default());
        for _ in 0..6 {
            refusals.count(address(1));
        }
        assert!(!refusals.count(address(1)));
        refusals.end_window();
        assert!(refusals.count(address(1)), "a new period");
    }
}
