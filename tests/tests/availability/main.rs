//! The service stays available: under clients that hold connections or send too much, and when other parts fall silent.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod http;
