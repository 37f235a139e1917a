//! What one connection is doing, since when, and until when it may.
//!
//! The stream, the service and the response body of a connection report to it; its supervisor asks it for the deadline. All of
//! them run in the task of the connection. Other tasks only read the phase and ask for the connection's slot, so relaxed atomics
//! are enough. A request reads the clock twice.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::closed::Closed;
use super::limits::Timeouts;
use super::write_progress::WriteProgress;

/// Milliseconds since the start of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> u64 {
        millis(self.0.elapsed())
    }

    fn instant(self, at: u64) -> Instant {
        self.0 + Duration::from_millis(at)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The head of a request, or TLS's handshake, is incomplete. A new connection begins like this.
    Head,
    /// Between two requests.
    Idle,
    /// From the end of a head until the response is written.
    Request,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Clock,
    timeouts: Timeouts,
    /// The start of the phase times four, plus the phase.
    phase: AtomicU64,
    is_response_complete: AtomicBool,
    is_displaced: AtomicBool,
    is_flushed: AtomicBool,
    writes: WriteProgress,
    waker: AtomicWaker,
}

impl Activity {
    /// A new connection.
    pub(super) fn new(clock: Clock, timeouts: Timeouts) -> Self {
        Self {
            clock,
            timeouts,
            phase: AtomicU64::new(packed(Phase::Head, clock.now())),
            is_response_complete: AtomicBool::new(false),
            is_displaced: AtomicBool::new(false),
            is_flushed: AtomicBool::new(true),
            writes: WriteProgress::default(),
            waker: AtomicWaker::new(),
        }
    }

    /// The phase, and its start.
    pub(super) fn phase(&self) -> (Phase, u64) {
        let packed = self.phase.load(Relaxed);
        let phase = match packed & 3 {
            0 => Phase::Head,
            1 => Phase::Idle,
            _ => Phase::Request,
        };
        (phase, packed >> 2)
    }

    pub(super) fn is_in_request(&self) -> bool {
        self.phase().0 == Phase::Request
    }

    /// Bytes arrived. Between requests, they begin the next one.
    pub(super) fn read_bytes(&self) {
        if self.phase().0 == Phase::Idle {
            self.begin(Phase::Head, self.clock.now());
        }
    }

    /// A head is complete.
    pub(super) fn begin_request(&self) {
        self.is_response_complete.store(false, Relaxed);
        self.is_displaced.store(false, Relaxed);
        // Nothing depends on the start of a request.
        self.begin(Phase::Request, 0);
    }

    /// The response has no more bytes; some may not be written yet.
    pub(super) fn complete_response(&self) {
        self.is_response_complete.store(true, Relaxed);
    }

    /// The client took bytes of a response.
    pub(super) fn wrote(&self, bytes: usize) {
        self.is_flushed.store(false, Relaxed);
        self.writes.wrote(bytes);
    }

    /// The client takes no more bytes at the moment.
    pub(super) fn blocked(&self) {
        self.is_flushed.store(false, Relaxed);
        self.writes.blocked(self.clock.now(), &self.timeouts);
    }

    /// The client took everything that there was. This ends a request whose response is complete.
    pub(super) fn flushed(&self) {
        self.is_flushed.store(true, Relaxed);
        self.writes.drained();
        if self.is_response_complete.load(Relaxed) && self.is_in_request() {
            self.writes.reset();
            self.begin(Phase::Idle, self.clock.now());
        }
    }

    /// Whether the client has taken everything that was written.
    pub(super) fn is_flushed(&self) -> bool {
        self.is_flushed.load(Relaxed)
    }

    /// When to ask [`Self::overdue`]; `None` if nothing has a limit at the moment.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let at = match self.phase() {
            (Phase::Head, since) => since + millis(self.timeouts.head),
            (Phase::Idle, since) => since + millis(self.timeouts.idle),
            (Phase::Request, _) => self.writes.deadline(&self.timeouts)?,
        };
        Some(self.clock.instant(at))
    }

    /// Which limit the connection has exceeded, if any.
    pub(super) fn overdue(&self) -> Option<Closed> {
        let now = self.clock.now();
        let (reason, is_overdue) = match self.phase() {
            (Phase::Head, since) => (
                Closed::HeadTimeout,
                now >= since + millis(self.timeouts.head),
            ),
            (Phase::Idle, since) => (
                Closed::IdleTimeout,
                now >= since + millis(self.timeouts.idle),
            ),
            (Phase::Request, _) => (
                Closed::SlowReader,
                self.writes.is_too_slow(now, &self.timeouts),
            ),
        };
        is_overdue.then_some(reason)
    }

    /// The longest time that the connection need not look at its deadlines.
    pub(super) fn recheck(&self) -> Instant {
        Instant::now() + self.timeouts.idle
    }

    /// Asks for the slot of the connection. It is given up unless a request begins first.
    pub(super) fn displace(&self) {
        self.is_displaced.store(true, Relaxed);
        self.waker.wake();
    }

    pub(super) fn is_displaced(&self) -> bool {
        self.is_displaced.load(Relaxed)
    }

    /// The task to wake.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    fn begin(&self, phase: Phase, now: u64) {
        self.phase.store(packed(phase, now), Relaxed);
    }
}

fn packed(phase: Phase, since: u64) -> u64 {
    let phase = match phase {
        Phase::Head => 0,
        Phase::Idle => 1,
        Phase::Request => 2,
    };
    since << 2 | phase
}
