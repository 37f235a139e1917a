//! The file is right, whatever the messages are.

mod any_rows;
mod facts;
mod readers;
mod snapshot;
mod views;
