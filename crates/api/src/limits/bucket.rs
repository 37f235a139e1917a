//! A token bucket: a rate with a burst.

use std::num::NonZeroU32;
use std::time::Duration;

use exports_domain::Rate;
use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// A full bucket holds `burst` tokens. It gets `count` new ones per time of the rate.
#[derive(Debug)]
pub(super) struct Bucket(DefaultDirectRateLimiter);

impl Bucket {
    pub(super) fn new(rate: Rate, burst: NonZeroU32) -> Self {
        let quota = Quota::with_period(rate.period() / rate.count().get());
        let quota = quota.expect("a rate has at most 1000 events per millisecond");
        Self(RateLimiter::direct(quota.allow_burst(burst)))
    }

    /// Takes a token. Without one: how long to wait for it.
    pub(super) fn take(&self) -> Result<(), Duration> {
        self.0.check().map_err(|refused| {
            let now = self.0.clock().now();
            refused.wait_time_from(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_burst_and_then_waits() {
        let rate: Rate = "2/1d".parse().unwrap();
        let bucket = Bucket::new(rate, NonZeroU32::new(3).unwrap());
        for _ in 0..3 {
            assert_eq!(bucket.take(), Ok(()));
        }
        let wait = bucket.take().unwrap_err();
        let hours = wait.as_secs() / 3600;
        assert!((11..=12).contains(&hours), "{wait:?}");
    }

    #[test]
    fn tokens_come_back() {
        let bucket = Bucket::new("1000000/s".parse().unwrap(), NonZeroU32::MIN);
        assert_eq!(bucket.take(), Ok(()));
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(bucket.take(), Ok(()));
    }
}
