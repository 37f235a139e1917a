//! Repeated measurements; tables show the median and the range.

use std::time::Duration;

/// Values in seconds, or in another unit of the caller, in order of arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn add_time(&mut self, time: Duration) {
        self.add(time.as_secs_f64());
    }

    /// The median, which short disturbances do not change. NaN without values.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => f64::NAN,
            (count, middle) if count % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// A percentile. NaN without values.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let sorted = self.sorted();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// The median in seconds, with the minimum and maximum of several values.
    pub(crate) fn seconds(&self) -> String {
        let sorted = self.sorted();
        let median = self.median();
        match sorted[..] {
            [] | [_] => format!("{median:.2} s"),
            [least, .., largest] => format!("{median:.2} s ({least:.2}–{largest:.2})"),
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_percentile_a_value_that_was_measured() {
        let samples = Samples(vec![4.0, 1.0, 100.0, 2.0]);
        assert!((samples.median() - 3.0).abs() < 1e-9);
        assert!((samples.percentile(50) - 2.0).abs() < 1e-9);
        assert!((samples.percentile(95) - 100.0).abs() < 1e-9);
        assert_eq!(samples.seconds(), "3.00 s (1.00–100.00)");
        assert!(Samples::default().median().is_nan());
        assert!(Samples::default().percentile(95).is_nan());
    }
}
