//! Tests of the worker: real processes and signals, real PostgreSQL, each store.
//!
//! The tests create exports through `exports-database` and read files from the store, so they do not need the API.

mod bucket;
mod cancels;
mod distant_store;
mod expiry;
mod failures;
mod files;
mod leases;
mod memory;
mod reserved_slot;
mod rows;
mod start;
mod support;
