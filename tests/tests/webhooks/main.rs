//! Webhooks from the change of an export to the receiver: the real programs, a receiver in the test's process, and the library of
//! the Standard Webhooks specification, which verifies every signature.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod api;
mod delivery;
mod failures;
mod outbox;
mod proxy;
mod receiver;
mod support;
mod tls;
mod under_faults;
