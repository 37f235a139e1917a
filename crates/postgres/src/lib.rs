//! Connections to PostgreSQL.
//!
//! - `client`: a [`Client`] is one database with its connection pool. `repeatable` runs statements
//!   that may run twice, such as reads and idempotent writes.
//! - `address`: parses a database URL as libpq does. `tls`: TLS as libpq does it.
//! - `wire`: our own connection. It streams COPY and supports everything that an address can say.
//! - `connector`, `route`: how sqlx connects, directly or through a local proxy of ours.
//! - `pool`: sqlx connections, checked before use. `availability`: what it reports about the database.
//!
//! The crate has no statements on messages or exports. These are in `source` and `database`.

mod address;
mod availability;
mod client;
mod connector;
mod error;
mod pool;
mod repeatable;
mod route;
mod server_error;
mod server_info;
mod timeouts;
mod tls;
mod trial_write;
mod wire;

pub use availability::Observer;
pub use client::{Client, PoolPurpose, PoolUse};
pub use connector::{ConnectError, connect_once};
pub use error::{Error, ReadOnly, UrlError, is_foreign_key_violation};
pub use pool::{PooledConnection, check_writable};
pub use repeatable::{RepeatError, StatementError};
pub use route::ConnectedServer;
pub use server_info::ServerInfo;
pub use timeouts::ACQUIRE_TIMEOUT;
pub use trial_write::TrialWriteError;
pub use wire::{CopyStream, Socket, TextRow, WireConnection};
