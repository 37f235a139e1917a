//! A private PostgreSQL, the services as child processes, and example data: everything throw-away that
//! the demo, the tests and the benchmarks stand on.
//!
//! Owns finding the programs (or a container), the throw-away cluster, and its removal however the owning process ends.
//! Never reads `DATABASE_URL`, so that it cannot touch a database that somebody else uses. [`TemporaryFolder`] is the
//! removal alone, for other servers.
//!
//! PostgreSQL's start and stop block; async callers use `spawn_blocking`, also for the drop.

mod address;
mod cluster;
mod container;
mod error;
mod folder;
pub mod generator;
mod postgres;
mod postmaster;
mod programs;
mod reaper;
pub mod seed;
mod server;
mod settings;
pub mod stack;
mod temporary_folder;
mod user;

pub use error::Error;
pub use postgres::LocalPostgres;
pub use postmaster::Shutdown;
pub use server::{Given, Server};
pub use temporary_folder::TemporaryFolder;
