//! The content of exported files.

mod any_rows;
mod content;
mod invalid_values;
mod long_rows;
mod readers;
mod snapshot;
mod views;
