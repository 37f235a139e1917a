//! The service's own tables and the SQL on them. The messages are read in `exports-source`.
//!
//! [`Database`] is the client. Its methods are grouped by caller: `exports` for requests of consumers,
//! `queue` for workers, `webhooks` for both, `maintenance` for janitors, `operator` and `access` for `exportctl`,
//! `migrations` for the schema.
//!
//! Every write is one statement, so it commits or it does not. No code here opens a transaction on a
//! pooled connection (`clippy.toml` says why). All times come from the database's clock.

mod access;
mod database;
mod error;
mod exports;
mod file_options;
mod maintenance;
mod migrations;
mod operator;
mod queue;
mod row;
mod split_files;
mod webhooks;

pub use access::{
    ApiKey, Authenticated, DeletedExports, GrantError, Held, IssuedKey, ListedProject,
    MissingRights, NewKey, Program, ProjectBefore, Rotated, missing_source_rights,
};
pub use database::Database;
pub use error::Error;
pub use exports::{
    BatchLoader, Canceled, CreateLimits, Created, Cursor, Deleted, FileLookup, ListRequest,
    LoadResult, NewExport, Page, Reserved, ValidKey,
};
pub use maintenance::PendingDeletion;
pub use migrations::{MigrateError, MigrationState};
pub use operator::{ExpectedFile, FoundObject, Job, JobsRequest, Overridden};
pub use queue::{
    Change, ChangeListener, Changes, Claim, ClaimRequest, FinishedFile, Leased, Notifications,
    Progress, ProgressReport, QueueDepth, QueueHints, QueueListener, QueueState,
};
pub use split_files::file_key;
pub use webhooks::{
    ClaimedDelivery, CreatedWebhook, Delivery, DeliveryClaims, DeliveryRequest, FailedDelivery,
    ListedWebhook, NewWebhook, Webhook, WebhookHealth, WebhookSecret, WebhookUse,
};
