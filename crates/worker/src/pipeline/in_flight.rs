//! How many parts of a file are sent at the same time.
//!
//! A distant store takes one part slowly and many parts at the same time. A store or a line that is busy takes
//! every part slower when there are more of them, and then more parts only use memory. The times of the
//! parts tell the two apart:
//!
//! - While rows wait for a part to be sent, the number grows as long as a part takes less than twice the time
//!   of the fastest one.
//! - Otherwise it shrinks, one part at a time.
//! - If parts are still slow when half of them are left, then it was not their number: the store has become
//!   slower. From then on, parts are compared with the new time.
//!
//! When rows come slower than the store takes them, they wait for nothing, and the number stays.

use std::time::Duration;

/// The first parts, before any time is known: one more part is filled.
const FIRST: usize = 2;
/// A part that takes longer is near the time limit of its request, which is 120 s: fewer parts share the line.
const SLOW: Duration = Duration::from_secs(30);

/// The limit for the parts of one file in flight. It has no clock: [`InFlight::sent`] reports the times.
#[derive(Debug)]
pub(crate) struct InFlight {
    limit: usize,
    /// The least time of a part.
    fastest: Option<Duration>,
    /// The parts that were begun before the limit has changed. Their times say nothing about it.
    begun_before: usize,
    /// The limit when it began to shrink, and the longest time of a part since then.
    shrinking_from: Option<(usize, Duration)>,
}

impl InFlight {
    pub(crate) fn new() -> Self {
        Self {
            limit: FIRST,
            fastest: None,
            begun_before: 0,
            shrinking_from: None,
        }
    }

    /// The number of parts that may be in flight.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// A part took this time, and no rows waited for it.
    pub(crate) fn sent(&mut self, took: Duration) {
        self.begun_before = self.begun_before.saturating_sub(1);
        self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
    }

    /// A part took this time, with so many in flight, and rows waited because of the limit. `max` is the
    /// number of parts for which there is memory.
    pub(crate) fn sent_while_rows_waited(&mut self, took: Duration, in_flight: usize, max: usize) {
        let is_after_change = self.begun_before == 0;
        self.sent(took);
        if !is_after_change {
            return;
        }
        self.compare_again(took);
        let fastest = self.fastest.unwrap_or(took);
        if took < fastest * 2 && took <= SLOW {
            self.shrinking_from = None;
            self.change(self.limit * 2, in_flight, max);
        } else {
            let (_, longest) = self.shrinking_from.get_or_insert((self.limit, took));
            *longest = took.max(*longest);
            self.change(self.limit - 1, in_flight, max);
        }
    }

    /// If parts did not get faster with half of them, the fastest time is out of date.
    fn compare_again(&mut self, took: Duration) {
        let Some((limit, longest)) = self.shrinking_from else {
            return;
        };
        if self.limit > limit.div_ceil(2) {
            return;
        }
        self.shrinking_from = None;
        if took * 4 > longest * 3 {
            self.fastest = Some(took);
        }
    }

    fn change(&mut self, limit: usize, in_flight: usize, max: usize) {
        let limit = limit.clamp(1, max.max(1));
        if limit != self.limit {
            self.limit = limit;
            self.begun_before = in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 7;

    /// A store for which one part takes this time, in ms, if so many are in flight.
    fn run(controller: &mut InFlight, parts: usize, time: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut limits = Vec::new();
        // Each part has the time of its begin.
        let mut in_flight = std::collections::VecDeque::new();
        for _ in 0..parts {
            while in_flight.len() < controller.limit() {
                in_flight.push_back(time(in_flight.len() + 1));
            }
            let count = in_flight.len();
            let took = Duration::from_millis(in_flight.pop_front().unwrap());
            controller.sent_while_rows_waited(took, count, MAX);
            limits.push(controller.limit());
        }
        limits
    }

    #[test]
    fn a_distant_store_gets_as_many_parts_as_fit_into_the_memory() {
        let mut controller = InFlight::new();
        let limits = run(&mut controller, 12, |_| 150);
        assert_eq!(limits, [4, 4, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
    }

    #[test]
    fn a_store_that_is_busy_with_two_parts_gets_a_few_more() {
        let mut controller = InFlight::new();
        // The line is full: each part takes a share of it.
        let limits = run(&mut controller, 200, |in_flight| 50 * in_flight as u64);
        let late = &limits[100..];
        assert!(late.iter().all(|limit| (1..=4).contains(limit)), "{late:?}");
    }

    #[test]
    fn a_store_that_becomes_distant_gets_more_parts_again() {
        let mut controller = InFlight::new();
        run(&mut controller, 20, |_| 150);
        let limits = run(&mut controller, 100, |_| 900);
        assert_eq!(limits[99], MAX, "{limits:?}");
        assert!(limits.iter().min() >= Some(&3), "{limits:?}");
    }

    #[test]
    fn a_line_that_becomes_busy_gets_fewer_parts() {
        let mut controller = InFlight::new();
        run(&mut controller, 20, |_| 150);
        let limits = run(&mut controller, 100, |in_flight| 300 * in_flight as u64);
        assert!(limits[60..].iter().all(|limit| *limit <= 4), "{limits:?}");
    }

    #[test]
    fn a_very_slow_line_gets_one_part_at_a_time() {
        let mut controller = InFlight::new();
        let limits = run(&mut controller, 20, |in_flight| 40_000 * in_flight as u64);
        assert_eq!(limits[19], 1, "{limits:?}");
    }

    #[test]
    fn the_number_stays_while_no_rows_wait() {
        let mut controller = InFlight::new();
        for took in [100, 5, 3_000] {
            controller.sent(Duration::from_millis(took));
            assert_eq!(controller.limit(), FIRST);
        }
    }

    #[test]
    fn memory_for_one_part_is_enough() {
        let mut controller = InFlight::new();
        for _ in 0..5 {
            controller.sent_while_rows_waited(Duration::from_millis(10), 1, 0);
        }
        assert_eq!(controller.limit(), 1);
    }
}
