//! `exports-source` on real PostgreSQL: which rows an export reads, in which order, under which snapshot.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod column_types;
mod excluded_rows;
mod joining;
mod messages;
mod operator_tables;
mod plans;
mod replica;
mod rewritten;
mod row_security;
mod sessions;
mod silence;
mod single_reader;
mod snapshots;
