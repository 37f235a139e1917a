//! How often and after which pauses an export is tried again.

use std::time::Duration;

/// Bounded attempts with growing pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts an export has, the first included; at least 1.
    pub max_attempts: u32,
}

impl RetryPolicy {
    const LONGEST_PAUSE: Duration = Duration::from_mins(5);

    /// The pause after attempt number `attempt` (from 1) failed, or `None` if it was the last.
    ///
    /// 1, 4, 16, 64, 256, 300, 300 … seconds: the seven pauses of the default eight attempts come
    /// to more than a quarter of an hour, so an export outlives an outage of that length.
    /// `jitter`, from 0 to 1, makes a pause up to a fifth longer (never shorter), so that the
    /// exports which an outage failed together do not come back together.
    #[must_use]
    pub fn pause_after(&self, attempt: u32, jitter: f64) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let seconds = 4_u64.saturating_pow(attempt.saturating_sub(1));
        let pause = Duration::from_secs(seconds).min(Self::LONGEST_PAUSE);
        Some(pause.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_attempts_outlive_a_quarter_of_an_hour() {
        let policy = RetryPolicy { max_attempts: 8 };
        let pauses: Vec<_> = (1..=8).map_while(|n| policy.pause_after(n, 0.0)).collect();
        assert_eq!(
            pauses.iter().map(Duration::as_secs).collect::<Vec<_>>(),
            [1, 4, 16, 64, 256, 300, 300]
        );
        assert!(pauses.iter().sum::<Duration>() > Duration::from_mins(15));
    }

    #[test]
    fn jitter_only_lengthens_and_numbers_do_not_overflow() {
        let policy = RetryPolicy {
            max_attempts: u32::MAX,
        };
        assert_eq!(
            policy.pause_after(1_000_000, 0.0),
            Some(RetryPolicy::LONGEST_PAUSE)
        );
        assert_eq!(
            policy.pause_after(1, 1.0),
            Some(Duration::from_millis(1200))
        );
        assert_eq!(RetryPolicy { max_attempts: 1 }.pause_after(1, 0.5), None);
    }
}
