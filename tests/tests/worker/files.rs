//! The content of exported files.

mod any_rows;
mod content;
mod formats;
mod invalid_values;
mod long_rows;
mod parsed;
mod readers;
mod snapshot;
mod split;
mod views;
