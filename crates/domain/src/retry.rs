//! The retry policy: number of attempts and exponential backoff.

use std::time::Duration;

/// How often and when an export is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum number of attempts, including the first; at least 1.
    pub max_attempts: u32,
}

impl RetryPolicy {
    const MAX_PAUSE: Duration = Duration::from_mins(5);

    /// The pause after attempt `attempt` (from 1) failed, or `None` if it was the last one.
    ///
    /// 1, 4, 16, 64, 256, 300, 300 … seconds. The seven pauses of the default eight attempts add up to
    /// more than 15 minutes, so an export survives an outage of that length. `jitter`, from 0 to 1, makes
    /// a pause up to 20 % longer, so that exports which failed together are not retried together.
    #[must_use]
    pub fn pause_after(&self, attempt: u32, jitter: f64) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let pause = Self::pause(attempt);
        Some(pause.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0)))
    }

    /// The pauses after attempts 1, 2, 3 …, without jitter. The last one is that of all later attempts.
    pub fn pauses() -> impl Iterator<Item = Duration> {
        let is_shorter = |pause: &Duration| *pause < Self::MAX_PAUSE;
        let growing = (1..).map(Self::pause).take_while(is_shorter);
        growing.chain([Self::MAX_PAUSE])
    }

    fn pause(attempt: u32) -> Duration {
        let seconds = 4_u64.saturating_pow(attempt.saturating_sub(1));
        Duration::from_secs(seconds).min(Self::MAX_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_attempts_take_more_than_15_minutes() {
        let policy = RetryPolicy { max_attempts: 8 };
        let pauses: Vec<_> = (1..=8).map_while(|n| policy.pause_after(n, 0.0)).collect();
        assert_eq!(
            pauses.iter().map(Duration::as_secs).collect::<Vec<_>>(),
            [1, 4, 16, 64, 256, 300, 300]
        );
        assert!(pauses.iter().sum::<Duration>() > Duration::from_mins(15));
    }

    #[test]
    fn the_list_of_pauses_ends_with_the_longest() {
        let policy = RetryPolicy { max_attempts: 100 };
        let pauses: Vec<_> = RetryPolicy::pauses().collect();
        for attempt in 1..20 {
            let listed = pauses[(attempt - 1).min(pauses.len() - 1)];
            let attempt = u32::try_from(attempt).unwrap();
            assert_eq!(policy.pause_after(attempt, 0.0), Some(listed), "{attempt}");
        }
        assert_eq!(pauses.len(), 6);
    }

    #[test]
    fn jitter_only_lengthens_the_delay_and_large_attempts_do_not_overflow() {
        let policy = RetryPolicy {
            max_attempts: u32::MAX,
        };
        assert_eq!(
            policy.pause_after(1_000_000, 0.0),
            Some(RetryPolicy::MAX_PAUSE)
        );
        assert_eq!(
            policy.pause_after(1, 1.0),
            Some(Duration::from_millis(1200))
        );
        assert_eq!(RetryPolicy { max_attempts: 1 }.pause_after(1, 0.5), None);
    }
}
