//! The settings of every program, from the environment, parsed once at start.
//!
//! `groups` is the one table of variables. Each program composes the groups it needs into a
//! `clap` parser of its own and calls [`parse()`]; it ignores the rest of the table and refuses an
//! `EXPORTS_*` name outside it. How a value is used is not decided here.

mod duration;
mod error_line;
mod groups;
mod log_writer;
mod logging;
mod parse;
mod trimmed;

pub use duration::parse_duration;
pub use error_line::error_line;
pub use groups::{
    ApiSettings, DatabaseSettings, LogFormat, LogSettings, SourceRowSecurity, StoreSettings,
    WorkerSettings,
};
pub use log_writer::log_lines_lost;
pub use logging::{LogError, flush_logs, init_logging, print_error};
pub use parse::{SettingsError, parse, try_parse_from};
pub use secrecy::{ExposeSecret, SecretString};
pub use trimmed::{Trimmed, trimmed};
