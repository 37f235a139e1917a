//! What consumers do with exports: create, get, list, delete.

mod batched_get;
mod create;
mod read;

pub use batched_get::{BatchLoader, LoadResult};
pub use create::{Created, NewExport};
pub use read::{Cursor, Deleted, FileLookup, ListRequest, Page};
