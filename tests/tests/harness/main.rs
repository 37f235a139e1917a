//! The harness itself: what stories rely on without looking.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod databases;
mod processes;
mod proxies;
mod stacks;
