//! The file is right, whatever the messages are.

mod any_rows;
mod facts;
mod long_rows;
mod readers;
mod snapshot;
mod views;
