//! The object store: where the files of finished exports lie.
//!
//! Owns everything between "these bytes under this key" and a bucket or a directory: opening a [`Store`] from its URL,
//! single and multipart uploads, reading, deletion without leftovers, the links that consumers download from, and errors that
//! say whether another try may help. It knows neither exports nor the database: keys are `&str`, and journaling them
//! (and [`Upload::id`]) before the first byte is the caller's part.
//!
//! TLS needs rustls' process-wide crypto provider; binaries install it before they open a store.

mod clients;
mod config;
mod download;
mod env_vars;
mod error;
mod error_classification;
mod file_operations;
mod headers;
mod links;
mod local;
mod location;
mod store;
mod transport;
mod upload;

pub use clients::Clients;
pub use config::{OpenError, StoreConfig};
pub use download::Download;
pub use env_vars::ignored_variables;
pub use error::{ErrorKind, StoreError};
pub use headers::{CONTENT_TYPE, FileHeaders};
pub use links::LinkSigner;
pub use local::LocalFiles;
pub use store::Store;
pub use upload::{MAX_FILE_SIZE, PART_SIZE, Upload};
