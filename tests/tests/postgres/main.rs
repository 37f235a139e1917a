//! `exports-postgres` on real PostgreSQL: database URLs, TLS, PgBouncer, failover and broken connections.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod dead_flows;
mod failover;
mod listener;
mod lost_answers;
mod pooler;
mod tls;
