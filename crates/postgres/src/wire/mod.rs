//! Our own connection to a server, on the protocol crate and rustls.
//!
//! It streams COPY: sqlx reads 8 KiB at a time and makes an object of each row, which costs a worker
//! more CPU than decoding and encoding the rows. It also supports what sqlx cannot connect to; then
//! sqlx connects through it (see `route`).

mod authentication;
mod connect;
mod connect_error;
mod connection;
mod copy;
mod copy_frames;
mod keepalive;
mod login;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use connect::connect;
pub use connection::{Socket, TextRow, WireConnection};
pub use copy::CopyStream;
pub(crate) use login::{Opened, SessionInfo, StartupSettings};
