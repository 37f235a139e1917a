//! The settings of every program, from the environment, parsed once at start.
//!
//! `groups` is the one table of variables. Each program composes the groups it needs into a
//! `clap` parser of its own and calls [`parse()`]; it ignores the rest of the table and refuses an
//! `EXPORTS_*` name outside it. How a value is used is not decided here.

mod duration;
mod groups;
mod parse;
mod trimmed;

pub use duration::parse_duration;
pub use groups::{
    ApiSettings, DatabaseSettings, LogFormat, LogSettings, SourceRowSecurity, StoreSettings,
    WorkerSettings,
};
pub use parse::{SettingsError, parse, try_parse_from};
pub use secrecy::{ExposeSecret, SecretString};
pub use trimmed::{Trimmed, trimmed};
