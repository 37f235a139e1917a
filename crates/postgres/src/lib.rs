//! Connections to PostgreSQL.
//!
//! A [`Client`] is a database that statements are sent to over a `pool` of sqlx's connections.
//! `address` reads what a URL says, `tls` encrypts, `wire` is our own connection, for COPY and for
//! what sqlx cannot do, and `route` decides how sqlx reaches the server: by itself, or through a local
//! socket that leads to a connection of ours. `repeatable` sends statements again that may run twice.
//!
//! No statement about messages or exports is here: these are in `source` and `database`.

mod address;
mod client;
mod server_error;
mod sqlx_connector;
mod error;
mod pool;
mod repeatable;
mod route;
mod server_info;
mod tls;
mod wire;

pub use client::{ACQUIRE_TIMEOUT, Client, PoolPurpose, PoolUse};
pub use sqlx_connector::{ConnectError, connect_once};
pub use error::{Error, ReadOnly, UrlError, is_foreign_key_violation};
pub use pool::{PooledConnection, check_writable};
pub use repeatable::{Failed, StatementError};
pub use route::ConnectedServer;
pub use server_info::ServerInfo;
pub use wire::{CopyStream, Socket, TextRow, WireConnection};
