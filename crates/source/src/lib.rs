//! Where messages and endpoints come from: the relations `messages` and `endpoints`, which other
//! systems write. They may be tables of ours or views of an operator's, in the service's own
//! database, in another one, or in a replica; their rows may be anything the column types allow.
//!
//! `catalogue` and `column` tell what the relations are, `statement` writes the statements for them,
//! `session` runs these under one snapshot, `transaction` begins and ends it, `plan` tells what a
//! statement reads, `settings` prepares a session, `snapshot` shares a snapshot with other sessions,
//! `replica` waits until a replica is up to date, `estimate` finds out how much there is to read,
//! `time_slice` names a part of it, `decode` reads the bytes, `session_pool` keeps sessions.

mod catalogue;
mod column;
mod decode;
mod error;
mod estimate;
mod planned_relations;
mod replica;
mod session;
mod session_pool;
mod settings;
mod snapshot;
mod source;
mod statements;
mod time_slice;
mod transaction;

pub use catalogue::{Alone, Catalogue};
pub use decode::Decoder;
pub use error::Error;
pub use estimate::Estimate;
pub use session::{EndpointUrls, Sample, SourceSession};
pub use session_pool::SessionPool;
pub use settings::{RefusedSetting, RowSecurity};
pub use snapshot::SnapshotId;
pub use source::{Column, Source};
pub use statements::{UrlColumn, copy_statement};
pub use time_slice::TimeSlice;
