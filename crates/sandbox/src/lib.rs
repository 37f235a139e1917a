//! A private PostgreSQL, Garage, the services as child processes, and example data, for the demo, the tests and the benchmarks.
//!
//! [`Reaper`] removes all of it, however the owning process ends. Nothing here reads `DATABASE_URL`, so it cannot touch a
//! database that is in use.
//!
//! The start and the drop of [`LocalPostgres`], [`garage::Garage`] and [`TemporaryFolder`] block; async callers use
//! `spawn_blocking`.

mod address;
mod cluster;
mod container;
pub mod distance;
mod error;
mod folder;
pub mod garage;
pub mod generator;
mod postgres;
mod postmaster;
pub mod process;
mod programs;
mod reaper;
mod sandbox;
pub mod seed;
mod server;
mod settings;
mod temporary_folder;
mod user;

pub use error::Error;
pub use postgres::LocalPostgres;
pub use postmaster::Shutdown;
pub use reaper::Reaper;
pub use sandbox::Sandbox;
pub use server::{Given, Server};
pub use temporary_folder::TemporaryFolder;
