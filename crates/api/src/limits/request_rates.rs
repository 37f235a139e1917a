//! The rate of requests of each API key, in this process.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use exports_domain::{Exceeded, KeyId, Limit, Rate};

use super::bucket::Bucket;

/// About 2 MB. Only valid keys have a bucket.
const CAPACITY: usize = 10_000;
/// The burst, as a multiple of the rate's count.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

#[derive(Debug, Default)]
pub(crate) struct RequestRates(Mutex<HashMap<KeyId, Used>>);

/// The bucket of a key that has been used.
#[derive(Debug)]
struct Used {
    rate: Rate,
    bucket: Bucket,
    last_use: Instant,
}

impl RequestRates {
    /// Counts a request of a key with this limit.
    pub(crate) fn check(
        &self,
        key: KeyId,
        limit: Limit<Rate>,
        now: Instant,
    ) -> Result<(), Exceeded> {
        let Limit::At(rate) = limit else {
            return Ok(());
        };
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= CAPACITY && !keys.contains_key(&key) {
            keys.retain(|_, used| !used.is_full(now));
            if keys.len() >= CAPACITY {
                keys.clear();
            }
        }
        let used = keys.entry(key).or_insert_with(|| Used::new(rate, now));
        if used.rate != rate {
            *used = Used::new(rate, now);
        }
        used.last_use = now;
        used.bucket
            .take()
            .map_err(|retry_after| Exceeded::Requests { rate, retry_after })
    }
}

impl Used {
    fn new(rate: Rate, last_use: Instant) -> Self {
        let burst = rate.count().saturating_mul(BURST);
        Self {
            rate,
            bucket: Bucket::new(rate, burst),
            last_use,
        }
    }

    /// Whether the bucket is full again, so that a new one is the same.
    fn is_full(&self, now: Instant) -> bool {
        let refill: Duration = self.rate.period() * BURST.get();
        now.saturating_duration_since(self.last_use) >= refill
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> KeyId {
        KeyId(Uuid::from_u128(number))
    }

    #[test]
    fn each_key_has_a_burst_of_twice_its_rate() {
        let (rates, now) = (RequestRates::default(), Instant::now());
        let limit: Limit<Rate> = "5/1d".parse().unwrap();
        for _ in 0..10 {
            assert_eq!(rates.check(key(1), limit, now), Ok(()));
        }
        let refused = rates.check(key(1), limit, now).unwrap_err();
        assert!(refused.to_string().contains("requests per API key is 5/1d"));
        assert_eq!(rates.check(key(2), limit, now), Ok(()), "another key");
        assert_eq!(rates.check(key(1), Limit::Off, now), Ok(()));
    }

    #[test]
    fn a_new_rate_applies_at_once() {
        let (rates, now) = (RequestRates::default(), Instant::now());
        let (low, high) = ("1/1d".parse().unwrap(), "1000/1d".parse().unwrap());
        while rates.check(key(1), low, now).is_ok() {}
        assert_eq!(rates.check(key(1), high, now), Ok(()));
    }

    #[test]
    fn the_number_of_buckets_is_bounded_and_idle_ones_go_first() {
        let (rates, start) = (RequestRates::default(), Instant::now());
        let limit = "1/s".parse().unwrap();
        let later = start + Duration::from_secs(3);
        rates.check(key(0), limit, later).unwrap();
        rates.check(key(0), limit, later).unwrap();
        for number in 1..=CAPACITY as u128 {
            let _ = rates.check(key(number), limit, start);
            assert!(rates.0.lock().unwrap().len() <= CAPACITY);
        }
        let _ = rates.check(key(u128::MAX), limit, later);
        let left = rates.0.lock().unwrap().len();
        assert_eq!(left, 2, "the idle buckets are gone, the used one is kept");
    }
}
