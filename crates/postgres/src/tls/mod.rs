//! TLS to a database, compatible with libpq: the same meaning of `sslmode` and its companions, and
//! the same certificates are accepted.

mod chain;
mod connect;
mod files;
mod keys;
mod names;
mod settings;
#[cfg(test)]
mod tests;
mod verifier;

pub(crate) use connect::{TlsInfo, connect};
pub(crate) use settings::{Roots, SslMode, TlsSettings, Verify};
