//! Reads the relations `messages` and `endpoints`, which other systems write.
//!
//! They may be our own tables or an operator's views, in the service's database, in another database,
//! or in a replica. Their rows may have any value of their column types.
//!
//! - `source` opens sessions, and `session_pool` reuses them. A `session` reads one export; `settings`
//!   prepares it, `transaction` begins and ends its transaction, `snapshot` shares its snapshot.
//! - `catalogue`, `column`, `planned_relations`: what the relations are.
//! - `statements`, `endpoint_urls`, `time_slice`, `estimate`, `decode`: what is read, and how.
//! - `planned_rows`: how many rows the planner expects.
//! - `excluded_rows` finds messages that the conditions of an export would leave out without an error.
//! - `connection`: every wait for the server has a `watchdog`, which asks over another connection what the
//!   `backend` of the session does.
//! - `row_count` estimates the size of an export before it is created.
//! - `replica` waits for replication. `inspect` and `value_sample` are for `exportctl admin check`.

mod backend;
mod catalogue;
mod column;
mod connection;
mod decode;
mod endpoint_urls;
mod error;
mod estimate;
mod excluded_rows;
mod inspect;
mod planned_relations;
mod planned_rows;
mod replica;
mod row;
mod row_count;
mod session;
mod session_pool;
mod settings;
mod snapshot;
mod source;
mod statements;
mod time_slice;
mod transaction;
mod value_sample;
mod watchdog;

pub use catalogue::Catalogue;
pub use connection::SourceRows;
pub use decode::Decoder;
pub use endpoint_urls::EndpointUrls;
pub use error::Error;
pub use estimate::Estimate;
pub use inspect::Sample;
pub use row_count::RowCount;
pub use session::SourceSession;
pub use session_pool::SessionPool;
pub use settings::{RefusedSetting, RowSecurity};
pub use snapshot::SnapshotId;
pub use source::{Column, Source};
pub use statements::{UrlColumn, copy_statement};
pub use time_slice::TimeSlice;
pub use value_sample::{Effect, ValueFault, ValueSample};
pub use watchdog::WorkingTime;
