//! TLS to a database as libpq does it: what `sslmode` and its companions promise is kept, and what
//! libpq connects to is connected to.
//!
//! `settings` reads the parameters, `verifier` judges the server's certificate, `chain` those that
//! webpki cannot judge (X.509 version 1 for one), `names` compares names, `keys` checks signatures.

mod chain;
mod connect;
mod keys;
mod names;
mod settings;
#[cfg(test)]
mod tests;
mod verifier;

pub(crate) use connect::{TlsInfo, connect};
pub(crate) use settings::{Roots, SslMode, TlsSettings, Verify};
