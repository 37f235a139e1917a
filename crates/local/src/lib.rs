//! A private PostgreSQL for the demo and the tests: found, started on loopback, stopped and removed.
//!
//! Owns finding the programs (or a container), the throw-away cluster, and its removal however the owning process ends.
//! Does not own databases, schemas or rows: callers create those through SQL. Never reads `DATABASE_URL`, so that it cannot
//! touch a database that somebody else uses. [`GuardedFolder`] is the removal alone, for other servers.
//!
//! Everything here blocks; async callers use `spawn_blocking`, also for the drop.

mod address;
mod cluster;
mod container;
mod error;
mod folder;
mod guarded;
mod guardian;
mod postgres;
mod postmaster;
mod programs;
mod server;
mod settings;
mod user;

pub use error::Error;
pub use guarded::GuardedFolder;
pub use postgres::LocalPostgres;
pub use postmaster::Shutdown;
pub use server::{Given, Server};
