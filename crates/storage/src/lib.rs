//! All SQL, and nothing else.
//!
//! [`Database`] is the service's own database, reached over a `pool` of connections: what consumers see (`creates`, `exports`; many of
//! them at once: `lookups`), the queue (`claims`, where they begin: `survey`, its length: `queue`)
//! and its `leases`, what is to be cleaned up (`sweeps`),
//! projects and keys (`keys`), migrations, and what the programs' roles may do (`grants`).
//! `address` is what a database's URL says, `route` how it is reached, `tls` how that is encrypted.
//! Operators see the queue (`jobs`), put their hands on an export (`interventions`), throw old
//! records away (`pruning`) and check an installation (`facts`).
//! [`Source`] is where messages and endpoints come from: the same database, another one, or a
//! replica. [`seed`] writes such rows, for demos and tests.
//!
//! Every write is one statement, which commits or does not: nothing here opens a transaction on a
//! pooled connection (see `clippy.toml` for the reason). Every time is the database's.

mod address;
mod claims;
mod connector;
mod creates;
mod database;
mod error;
mod exports;
mod facts;
mod grants;
mod interventions;
mod jobs;
mod keys;
mod leases;
mod listener;
mod lookups;
mod migrations;
mod pool;
mod pruning;
mod queue;
mod repeatable;
mod route;
mod row;
pub mod seed;
pub mod source;
mod survey;
mod sweeps;
mod tls;

pub use claims::{Claim, ClaimRequest};
pub use creates::{Created, NewExport};
pub use database::{Database, PoolPurpose, PoolUse};
pub use error::{Error, ReadOnly, UrlError};
pub use exports::{Cursor, Deleted, FileLookup, ListRequest, Page};
pub use facts::{Column, DatabaseFacts};
pub use grants::{GrantError, Program};
pub use interventions::Intervened;
pub use jobs::{Job, JobsRequest};
pub use keys::{ApiKey, IssuedKey};
pub use leases::{Completed, Fenced, FileFacts, Progress};
pub use listener::QueueListener;
pub use lookups::{LookupResult, Lookups};
pub use migrations::{MigrateError, MigrationState};
pub use queue::{QueueDepth, QueueState};
pub use route::Reached;
pub use source::Source;
pub use survey::Survey;
pub use sweeps::DoomedObject;
