//! Rows of messages into the bytes of a file. Pure code: no I/O, no async, and nothing about how the
//! rows are read or where the file goes.

pub mod csv;
