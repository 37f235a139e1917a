//! What consumers do with exports: create, get, list, cancel, delete.

mod active;
mod batched_get;
mod cancel;
mod create;
mod create_quota;
mod delete;
mod expire_file;
mod insert;
mod list;
mod list_by_status;
mod read;

pub use batched_get::{BatchLoader, LoadResult};
pub(crate) use cancel::CANCELED_CHANNEL;
pub use cancel::Canceled;
pub use create::{Created, NewExport};
pub use create_quota::Reserved;
pub use delete::Deleted;
pub use insert::CreateLimits;
pub use list::{Cursor, ListRequest, Page};
pub use read::FileLookup;
