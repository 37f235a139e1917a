//! The content of exported files.

mod any_rows;
mod content;
mod long_rows;
mod readers;
mod snapshot;
mod views;
