//! All SQL, and nothing else.
//!
//! [`Database`] is the service's own database: what consumers see (`exports`), the queue and its
//! leases (`claims`), what is to be cleaned up (`sweeps`), projects and keys (`keys`), migrations.
//! [`Source`] is where messages and endpoints come from: the same database, another one, or a
//! replica. [`seed`] writes such rows, for demos and tests.
//!
//! Every write is one statement, which commits or does not: nothing here opens a transaction on a
//! pooled connection (see `clippy.toml` for the reason). Every time is the database's.

mod claims;
mod database;
mod error;
mod exports;
mod keys;
mod listener;
mod migrations;
mod row;
pub mod seed;
pub mod source;
mod sweeps;

pub use claims::{Claim, ClaimRequest, Completed, Fenced, FileFacts};
pub use database::{Database, PoolPurpose};
pub use error::{Error, UrlError};
pub use exports::{Created, Cursor, Deleted, FileLookup, ListRequest, NewExport, Page};
pub use keys::{ApiKey, IssuedKey};
pub use listener::QueueListener;
pub use migrations::{MigrateError, MigrationState};
pub use source::Source;
pub use sweeps::DoomedObject;
