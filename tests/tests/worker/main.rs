//! The worker's stories: the real program, as processes under real signals, on real PostgreSQL
//! and on each store.
//!
//! Exports are asked for and looked at through `exports-storage` and the store itself, so nothing
//! here needs the API. What each group is about stands in its own file.

mod bucket;
mod expiry;
mod failures;
mod files;
mod leases;
mod rows;
mod start;
mod workshop;
