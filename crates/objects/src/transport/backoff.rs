//! Exponential backoff with jitter.

use std::time::Duration;

use rand::RngExt;

const FIRST_DELAY: Duration = Duration::from_millis(100);
pub(super) const MAX_DELAY: Duration = Duration::from_secs(10);

/// The delay before a retry: doubles with each retry, with jitter between half and the full delay, so that clients that were
/// rejected together do not retry together.
pub(super) fn delay(retries: usize) -> Duration {
    let factor = u32::try_from(retries).map_or(u32::MAX, |exponent| 2_u32.saturating_pow(exponent));
    let max = FIRST_DELAY.saturating_mul(factor).min(MAX_DELAY);
    max.mul_f64(rand::rng().random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_with_jitter_up_to_a_maximum() {
        for (retries, max) in [(0, 100), (1, 200), (3, 800), (7, 10_000), (10_000, 10_000)] {
            let max = Duration::from_millis(max);
            let found = delay(retries);
            assert!(found >= max / 2 && found <= max, "{retries}: {found:?}");
        }
    }
}
