//! Tests of the test harness.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod databases;
mod fixtures;
mod processes;
mod proxies;
