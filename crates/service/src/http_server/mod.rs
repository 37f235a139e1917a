//! The HTTP server of both services: the API, and the listeners for metrics and probes.
//!
//! It speaks HTTP/1.1 (and 1.0) only. It uses hyper's HTTP/1 connection directly, so HTTP/2 stays off even if another crate of
//! the build enables it in hyper. Everything that a client can hold is bounded, before any handler runs:
//!
//! | what | bound | where |
//! |---|---|---|
//! | connections | a cap; more wait in the backlog, and at the cap connections without a request make room | `accept`, `slots` |
//! | time for TLS and a request's head | 10 s | `activity` |
//! | time between two requests | 75 s | `activity` |
//! | time without progress of a response | 30 s, and at least 10 KiB/s over 30 s | `write_progress` |
//! | bytes of a head, and of the buffers of a connection | 16 KiB each | `connection` |
//! | vanished clients | TCP keepalive: 15 s, then 3 probes in 15 s | `socket` |
//!
//! The time for a request's body is the routes' business: their request timeout includes it.
//!
//! A request that waits long, or whose response goes on for long, is served without hyper's buffers (`exchange`, `rewound`,
//! `stream_writer`): thousands of them need little memory.
//!
//! One task drives one connection. Its stream and its service report to an `activity::Activity`, and `supervise` compares that
//! with one timer, which is set again only when it has run out or is too late. A request costs no timer.

mod accept;
mod activity;
mod closed;
mod connection;
mod exchange;
mod limits;
mod long_lived;
mod metrics;
mod once_a_minute;
mod open_connections;
mod peer;
mod rewound;
mod server;
mod slots;
mod socket;
mod stream_writer;
mod supervise;
mod tls;
mod watched_stream;
mod write_progress;

#[cfg(test)]
mod tests;

pub use long_lived::{LongLived, LongWait};
pub use metrics::ConnectionMetrics;
pub use peer::PeerAddr;
pub use server::HttpServer;
pub use tls::{Tls, TlsError};
