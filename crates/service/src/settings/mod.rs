//! The settings of all programs, parsed once from the environment at start.
//!
//! `groups` is the table of all variables. Each program combines the groups that it uses into a `clap` parser
//! and calls [`parse()`]. It ignores the other variables of the table, and refuses an `EXPORTS_*` name that is
//! not in the table.

mod byte_size;
mod command_line;
mod duration;
mod groups;
mod limits;
mod names;
mod networks;
mod number;
mod origins;
mod parse;
mod secret_files;
mod trimmed;
mod values;

pub use byte_size::{ByteSize, byte_size};
pub use duration::parse_duration;
pub use groups::{
    ApiSettings, ConsumerSettings, DatabaseSettings, LogFormat, LogSettings, SourceRowSecurity,
    StartSettings, StoreSettings, Switch, WebhookSendSettings, WebhookSettings, WorkerSettings,
    groups,
};
pub use limits::LimitSettings;
pub use networks::Networks;
pub use number::number;
pub use origins::CorsOrigins;
pub use parse::{SettingsError, parse, parse_from, try_parse_from};
pub use secrecy::{ExposeSecret, SecretString};
pub(crate) use secret_files::{store_variables, subject};
pub use trimmed::{Trimmed, trimmed};
