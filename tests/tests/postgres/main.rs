//! `exports-postgres` on real PostgreSQL: database URLs, TLS, PgBouncer, failover and broken connections.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod failover;
mod listener;
mod lost_responses;
mod pooler;
mod refused;
mod silent_connections;
mod tls;
