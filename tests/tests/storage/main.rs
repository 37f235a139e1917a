//! Storage against real PostgreSQL: what its SQL promises to the API and to the workers.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod addresses;
mod alone;
mod autoscaling;
mod claim_parts;
mod claims;
mod column_types;
mod constraints;
mod constraints_around;
mod consumers;
mod dead_flows;
mod failover;
mod fairness;
mod fencing;
mod idempotency;
mod janitors;
mod joining;
mod journal;
mod keys;
mod listener;
mod lists;
mod lookups;
mod lost_answers;
mod migrations;
mod odd_sources;
mod operators;
mod plans;
mod pooler;
mod queue;
mod queue_hints;
mod replica;
mod rewritten;
mod roles;
mod row_security;
mod sessions;
mod snapshots;
mod source;
mod states;
mod support;
mod sweeps;
mod tls;
