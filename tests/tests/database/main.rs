//! `exports-database` on real PostgreSQL: the service's tables, the queue, the operators' commands and the migrations.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod autoscaling;
mod cancels;
mod claim_parts;
mod claims;
mod constraints;
mod constraints_other_tables;
mod consumers;
mod fairness;
mod fencing;
mod file_options;
mod idempotency;
mod janitors;
mod keys;
mod limits;
mod lists;
mod lookups;
mod migrations;
mod object_records;
mod operators;
mod plans;
mod projects;
mod queue;
mod queue_hints;
mod reserved_slot;
mod roles;
mod split_files;
mod states;
mod sweeps;
