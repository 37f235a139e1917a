//! Estimates which part of an attempt is done and how long the rest takes.
//!
//! Two things are known about the number of rows: what the planner expects, and, if the time range is read in
//! slices, which part of the time is read. At the start the planner counts; the more time is read, the more do the
//! rows that came in it. Where nothing is known, there is no estimate.

use std::time::Duration;

/// What is known about an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Known {
    /// Rows read so far.
    pub(crate) rows: u64,
    /// The planner's estimate of all rows.
    pub(crate) planned: Option<u64>,
    /// The part of the time range that is read, 0 to 1. `None`: it is not read in slices.
    pub(crate) share: Option<f64>,
    /// Everything is read.
    pub(crate) is_read: bool,
}

/// The part that is done, and the time that the rest takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Completion {
    /// 0 to 99.
    pub(crate) percent: Option<u8>,
    pub(crate) seconds_remaining: Option<u32>,
}

impl Known {
    /// The estimate after this time.
    pub(crate) fn completion(&self, elapsed: Duration) -> Completion {
        let Some(total) = self.total() else {
            return Completion::default();
        };
        let rows = float(self.rows);
        let done = if total > 0.0 { rows / total } else { 0.0 };
        let seconds = (rows > 0.0).then(|| elapsed.as_secs_f64() * (total - rows) / rows);
        // More than a day is no estimate.
        let seconds = seconds.filter(|seconds| *seconds < 86_400.0);
        Completion {
            percent: Some(
                whole((done * 100.0).clamp(0.0, 99.0))
                    .try_into()
                    .unwrap_or(99),
            ),
            seconds_remaining: seconds.map(|seconds| whole(seconds.ceil().max(1.0))),
        }
    }

    /// All rows; `None` if nothing is known.
    fn total(&self) -> Option<f64> {
        let rows = float(self.rows);
        if self.is_read {
            return Some(rows);
        }
        // With more rows than planned, the plan was wrong.
        let planned = self.planned.map(float).filter(|planned| rows <= *planned);
        match (self.share.filter(|share| *share > 0.0), planned) {
            (Some(share), None) => Some(rows / share),
            (Some(share), Some(planned)) => {
                // For the rest of the time: the density that is planned, and the density so far.
                let rest = 1.0 - share;
                Some(rows + rest * (rest * planned + rows))
            }
            (None, Some(planned)) => Some(planned),
            (None, None) => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the callers limit it to 0 to 86400"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(rows: u64, planned: Option<u64>, share: Option<f64>) -> Option<u8> {
        let known = Known {
            rows,
            planned,
            share,
            is_read: false,
        };
        known.completion(Duration::from_secs(10)).percent
    }

    #[test]
    fn the_planner_counts_at_the_start_and_the_rows_later() {
        assert_eq!(percent(500, Some(1000), None), Some(50));
        assert_eq!(percent(500, Some(1000), Some(0.5)), Some(50));
        assert_eq!(percent(500, None, Some(0.25)), Some(25));
        // The planner expects far too few rows.
        assert_eq!(percent(10_000, Some(10), Some(0.1)), Some(10));
        assert_eq!(percent(90_000, Some(10), Some(0.9)), Some(90));
        // Far too many.
        assert_eq!(percent(90_000, Some(1_000_000), Some(0.9)), Some(82));
        assert_eq!(percent(99_000, Some(1_000_000), Some(0.99)), Some(98));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(percent(500, None, None), None);
        assert_eq!(percent(500, Some(10), None), None, "the plan was wrong");
        assert_eq!(percent(0, None, Some(0.0)), None);
        assert_eq!(percent(0, Some(100), None), Some(0));
    }

    #[test]
    fn the_rest_takes_as_long_per_row_as_before() {
        let known = Known {
            rows: 250,
            planned: Some(1000),
            ..Known::default()
        };
        let completion = known.completion(Duration::from_secs(10));
        assert_eq!(completion.seconds_remaining, Some(30));
        let read = Known {
            rows: 250,
            is_read: true,
            ..known
        };
        let completion = read.completion(Duration::from_secs(10));
        assert_eq!(completion.percent, Some(99), "it is not stored yet");
        assert_eq!(completion.seconds_remaining, Some(1));
    }
}
