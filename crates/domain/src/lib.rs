//! The domain: exports and their states, filters, options of files, ids, times, leases, limits and retries. It has no I/O and
//! depends on no other crate of the workspace.

mod choice;
mod clock;
mod error_line;
mod export;
mod failure;
mod file;
mod filter;
mod ids;
mod invalid_value;
mod label;
mod lease;
mod limits;
mod message;
mod named_enum;
mod progress;
mod retry;
mod scope;
mod status;
mod suggestion;
pub mod time;
mod trace_parent;
mod webhook;

pub use choice::{Choice, ValueSet, ValueSetError};
pub use clock::{Clock, SystemClock};
pub use error_line::{error_line, io_reason};
pub use export::{Export, ExportFile, ExportState};
pub use failure::{Failure, FailureCode};
pub use file::{
    Column, Columns, ColumnsError, Compression, CsvOptions, Delimiter, FileFormat, FileOptions,
    FileTimeZone, GivenOptions, LineEnding, MAX_SPLIT_FILES, OptionsError, RowsPerFile,
    RowsPerFileError, SplitFile, UnknownTimeZone,
};
pub use filter::{Direction, MessageFilter, MessageStatus, RangeError, TimeRange};
pub use ids::{EndpointId, ExportId, IdError, KeyId, LeaseToken, ProjectId};
pub use invalid_value::{Fault, InvalidValue, one_of, quoted};
pub use label::{Label, LabelError};
pub use lease::Lease;
pub use limits::{Count, Exceeded, Limit, LimitError, LimitName, LimitOverrides, Limits, Rate};
pub use message::{MessageRow, PgTimestamp};
pub use named_enum::UnknownName;
pub use progress::{AttemptProgress, MAX_QUEUE_POSITION, Progress};
pub use retry::RetryPolicy;
pub use scope::Scope;
pub use status::ExportStatus;
pub use suggestion::most_similar;
pub use trace_parent::TraceParent;
pub use webhook::{
    DeliveryId, DeliveryStatus, DisabledReason, MAX_WEBHOOKS, WebhookEvent, WebhookId,
    WebhookStatus, pause_after_delivery,
};
