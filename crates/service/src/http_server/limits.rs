//! How long each step of a connection may take, and how much memory a connection may use.

use std::time::Duration;

/// The size of a request's head, and of hyper's read buffer, in bytes. A larger head is answered with 431.
///
/// hyper grows its buffer in steps and the allocator keeps the smaller ones, so a connection costs about 1.5 times as much: with
/// 32 KiB, 2,000 unfinished heads took 179 MiB.
/// hyper also stops filling its write buffer at this size, so a response body waits for the client.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// The bytes that TLS may hold for a client that does not read.
pub(super) const TLS_BUFFER: usize = 32 * 1024;

/// The time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// From the first byte of a request to the end of its head. For the first request: from the accept, with TLS's handshake.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// Without progress while a response waits for the client.
    pub(super) stall: Duration,
    /// The span over which the rate of a slow client is measured.
    pub(super) rate_window: Duration,
    /// The least that a client must read in that span, in bytes.
    pub(super) least_in_window: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(30),
            rate_window: Duration::from_secs(30),
            // 10 KiB/s
            least_in_window: 30 * 10 * 1024,
        }
    }
}
