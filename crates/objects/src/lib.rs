//! The object store, which holds the files of completed exports.
//!
//! This crate opens a [`Store`] from its URL, uploads files in one request or in parts, reads and deletes them, and signs
//! download links. Its errors say whether a retry may help. It knows neither exports nor the database: a key is a `&str`, and
//! the caller records the key and [`Upload::id`] before it sends the first byte.
//!
//! TLS needs the process-wide crypto provider of rustls. Programs install it before they open a store.

mod clients;
mod config;
mod download;
mod env_vars;
mod error;
mod error_classification;
mod file_operations;
mod headers;
mod io_reason;
mod links;
mod list;
mod local;
mod location;
mod store;
mod transport;
mod unencrypted;
mod upload;

pub use clients::Clients;
pub use config::{OpenError, StoreConfig};
pub use download::Download;
pub use env_vars::{ignored_variables, secret_variables};
pub use error::{ErrorKind, StoreError};
pub use headers::FileHeaders;
pub use links::{LinkSigner, SignedObject};
pub use list::StoredObject;
pub use local::LocalFiles;
pub use store::Store;
pub use unencrypted::{is_unencrypted, unencrypted_endpoints};
pub use upload::{
    MAX_FILE_SIZE, MAX_UPLOAD_MEMORY, MIN_UPLOAD_MEMORY, PART_SIZE, PartLimits, PartSizes, Upload,
};
