//! Limits a log line to one a minute.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);

/// Counts events, and says when to log them.
#[derive(Debug, Default)]
pub(super) struct OnceAMinute {
    logged: Option<Instant>,
    events: u64,
}

impl OnceAMinute {
    /// Counts an event. Returns how many there were since the last log line, if it is time for the next one.
    pub(super) fn event(&mut self) -> Option<u64> {
        self.event_at(Instant::now())
    }

    fn event_at(&mut self, now: Instant) -> Option<u64> {
        self.events += 1;
        if self.logged.is_some_and(|logged| now < logged + MINUTE) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_and_reported_once_a_minute() {
        let (mut events, start) = (OnceAMinute::default(), Instant::now());
        assert_eq!(events.event_at(start), Some(1));
        for second in 1..6 {
            assert_eq!(events.event_at(start + Duration::from_secs(second)), None);
        }
        assert_eq!(events.event_at(start + MINUTE), Some(6));
    }
}
