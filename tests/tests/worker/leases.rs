//! At most one worker at a time holds the lease of an export.

mod operator_commands;
mod sharing;
mod shutdown;
mod stopped;
mod takeover;
