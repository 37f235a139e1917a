//! Delays refused authentications during a flood, so that strangers with wrong keys take little of the processor.
//!
//! A client that sends its next request after the response then sends two a second on each connection, not thousands.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::bucket::Bucket;

/// Refusals per second without a delay: many more than clients with an expired or mistyped key cause.
const UNDELAYED: u32 = 100;
/// Well below the time that a client waits for a response.
const DELAY: Duration = Duration::from_millis(500);
/// Refusals that wait at a time. Above it they are not delayed, so that they do not take all connections.
const DELAYED_AT_A_TIME: usize = 256;

/// The delays of this process.
pub(crate) struct RefusalDelay {
    undelayed: Bucket,
    delayed: Semaphore,
}

impl Default for RefusalDelay {
    fn default() -> Self {
        let rate = format!("{UNDELAYED}/s").parse().expect("a valid rate");
        let burst = NonZeroU32::new(UNDELAYED).expect("the rate is not zero");
        Self::new(Bucket::new(rate, burst))
    }
}

impl RefusalDelay {
    fn new(undelayed: Bucket) -> Self {
        Self {
            undelayed,
            delayed: Semaphore::new(DELAYED_AT_A_TIME),
        }
    }

    /// Waits before a refusal, if there are many.
    pub(crate) async fn wait(&self) {
        if self.undelayed.take().is_ok() {
            return;
        }
        if let Ok(_permit) = self.delayed.try_acquire() {
            tokio::time::sleep(DELAY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::Instant;

    use super::*;

    /// With one refusal that is not delayed. The bucket has a clock of its own, so its next token must be far away.
    fn delay() -> RefusalDelay {
        RefusalDelay::new(Bucket::new("1/1d".parse().unwrap(), NonZeroU32::MIN))
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_flood_is_delayed() {
        let delay = delay();
        let begun = Instant::now();
        delay.wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        delay.wait().await;
        assert!(begun.elapsed() >= DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_cannot_hold_more_connections_than_allowed() {
        let delay = delay();
        delay.wait().await;
        let begun = Instant::now();
        let elapsed = async || {
            delay.wait().await;
            begun.elapsed()
        };
        let times = join_all((0..DELAYED_AT_A_TIME + 3).map(|_| elapsed())).await;
        let at_once = times.iter().filter(|time| time.is_zero()).count();
        assert_eq!(at_once, 3);
    }
}
