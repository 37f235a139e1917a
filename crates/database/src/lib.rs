//! The service's own tables, and nothing else.
//!
//! [`Database`] is a client of the service's own database. What consumers do is in `exports`, the queue
//! and its leases in `queue`, what is cleaned up in `maintenance`, what operators see and override in
//! `operator`, projects, keys and roles in `access`, the schema in `migrations`.
//!
//! Every write is one statement, which commits or does not: nothing here opens a transaction on a
//! pooled connection (see `clippy.toml` for the reason). Every time is the database's.

mod access;
mod database;
mod error;
mod exports;
mod maintenance;
mod migrations;
mod operator;
mod queue;
mod row;

pub use access::{ApiKey, GrantError, IssuedKey, Program};
pub use database::Database;
pub use error::Error;
pub use exports::{
    BatchLoader, Created, Cursor, Deleted, FileLookup, ListRequest, LoadResult, NewExport, Page,
};
pub use maintenance::PendingDeletion;
pub use migrations::{MigrateError, MigrationState};
pub use operator::{Job, JobsRequest, Overridden};
pub use queue::{
    Claim, ClaimRequest, Completed, Fenced, FinishedFile, Progress, QueueDepth, QueueHints,
    QueueListener, QueueState,
};
