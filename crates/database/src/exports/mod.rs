//! What consumers do with exports: create, get, list, cancel, delete.

mod active;
mod batched_get;
mod cancel;
mod create;
mod create_quota;
mod delete;
mod expire_file;
mod get_many;
mod insert;
mod list;
mod list_by_status;
mod progress;
mod queue_order;
mod read;

pub use batched_get::{BatchLoader, LoadResult};
pub use cancel::Canceled;
pub(crate) use cancel::{CANCELED_CHANNEL, CONFLICT_PAUSE};
pub use create::{Created, NewExport};
pub use create_quota::Reserved;
pub use delete::Deleted;
pub use get_many::ValidKey;
pub use insert::CreateLimits;
pub use list::{Cursor, ListRequest, Page};
pub(crate) use queue_order::SharedQueueOrder;
pub use read::FileLookup;
