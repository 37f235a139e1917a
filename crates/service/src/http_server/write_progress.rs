//! Whether a client reads its response fast enough.
//!
//! Only the time counts in which bytes wait for the client. A response that has nothing to send at the moment, such as a stream
//! of events, is not slow.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::activity::millis;
use super::limits::Timeouts;

/// Of one connection. Times are in milliseconds of the server's clock. Only the connection's own task uses it.
#[derive(Debug, Default)]
pub(super) struct WriteProgress {
    /// Since when bytes have waited without any progress, plus one; 0 if none wait.
    blocked: AtomicU64,
    /// The start of the span in which bytes are counted, plus one; 0 if none is open.
    window: AtomicU64,
    /// The bytes written in it.
    written: AtomicU64,
}

impl WriteProgress {
    /// The client takes no more bytes at the moment.
    pub(super) fn blocked(&self, now: u64, timeouts: &Timeouts) {
        if self.blocked.load(Relaxed) != 0 {
            return;
        }
        self.blocked.store(now + 1, Relaxed);
        let window = self.window.load(Relaxed);
        // An old span is from an earlier time of waiting.
        if window == 0 || now + 1 >= window + millis(timeouts.rate_window) {
            self.open_window(now);
        }
    }

    /// The client took bytes. Costs next to nothing while no client was slow.
    pub(super) fn wrote(&self, bytes: usize) {
        if self.window.load(Relaxed) != 0 && bytes > 0 {
            self.blocked.store(0, Relaxed);
            self.written.fetch_add(bytes as u64, Relaxed);
        }
    }

    /// The client has taken everything that there was.
    pub(super) fn drained(&self) {
        if self.window.load(Relaxed) != 0 {
            self.blocked.store(0, Relaxed);
        }
    }

    /// The response is complete.
    pub(super) fn reset(&self) {
        self.blocked.store(0, Relaxed);
        self.window.store(0, Relaxed);
    }

    /// When to look again; `None` while nothing waits.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Option<u64> {
        let (blocked, window) = self.waiting()?;
        Some((blocked + millis(timeouts.stall)).min(window + millis(timeouts.rate_window)))
    }

    /// Whether the client is too slow. Begins a new span if the last one is over and was fast enough.
    pub(super) fn is_too_slow(&self, now: u64, timeouts: &Timeouts) -> bool {
        let Some((blocked, window)) = self.waiting() else {
            return false;
        };
        if now >= blocked + millis(timeouts.stall) {
            return true;
        }
        if now < window + millis(timeouts.rate_window) {
            return false;
        }
        let is_too_slow = self.written.load(Relaxed) < timeouts.least_in_window;
        self.open_window(now);
        is_too_slow
    }

    fn waiting(&self) -> Option<(u64, u64)> {
        let blocked = self.blocked.load(Relaxed).checked_sub(1)?;
        let window = self.window.load(Relaxed).checked_sub(1)?;
        Some((blocked, window))
    }

    fn open_window(&self, now: u64) {
        self.window.store(now + 1, Relaxed);
        self.written.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn limits() -> Timeouts {
        Timeouts::default()
    }

    #[test]
    fn a_client_that_takes_nothing_is_too_slow_after_the_stall() {
        let progress = WriteProgress::default();
        assert_eq!(progress.deadline(&limits()), None);
        progress.blocked(5_000, &limits());
        progress.blocked(20_000, &limits());
        assert_eq!(progress.deadline(&limits()), Some(35_000));
        assert!(!progress.is_too_slow(34_999, &limits()));
        assert!(progress.is_too_slow(35_000, &limits()));
    }

    /// Takes `chunk` bytes every second, and returns the second in which it is too slow.
    fn cut_at(chunk: usize) -> Option<u64> {
        let progress = WriteProgress::default();
        (0..300).find(|second| {
            let now = second * 1_000;
            progress.blocked(now, &limits());
            let due = progress.deadline(&limits()).is_some_and(|it| it <= now);
            let is_too_slow = due && progress.is_too_slow(now, &limits());
            progress.wrote(chunk);
            progress.blocked(now, &limits());
            is_too_slow
        })
    }

    #[test]
    fn the_rate_must_be_ten_kibibytes_a_second() {
        assert_eq!(cut_at(9 * KIB), Some(30));
        assert_eq!(cut_at(1), Some(30));
        assert_eq!(cut_at(11 * KIB), None);
    }

    #[test]
    fn a_fast_start_does_not_excuse_what_follows() {
        let progress = WriteProgress::default();
        progress.blocked(0, &limits());
        progress.wrote(10_000 * KIB);
        progress.blocked(1_000, &limits());
        assert!(!progress.is_too_slow(30_000, &limits()));
        assert_eq!(progress.deadline(&limits()), Some(31_000));
        assert!(progress.is_too_slow(31_000, &limits()));
    }

    #[test]
    fn a_response_without_bytes_to_send_is_not_slow() {
        let progress = WriteProgress::default();
        progress.blocked(0, &limits());
        progress.wrote(KIB);
        progress.drained();
        assert_eq!(progress.deadline(&limits()), None);
        assert!(!progress.is_too_slow(1_000_000, &limits()));
        // Much later it waits again: that begins a new span.
        progress.blocked(1_000_000, &limits());
        assert!(!progress.is_too_slow(1_001_000, &limits()));
        assert_eq!(progress.deadline(&limits()), Some(1_030_000));
        progress.reset();
        assert_eq!(progress.deadline(&limits()), None);
    }
}
