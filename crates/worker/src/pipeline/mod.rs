//! The path of the rows, from the source to the object store.
//!
//! `partition` cuts the export's time into slices, `readers` read these at the same time, each by
//! `chunks` and `encoder`, `reorder_buffer` puts them together in order, `upload` stores the file.
//! `buffer_pool` keeps the memory in between.

pub(crate) mod buffer_pool;
mod chunks;
pub(crate) mod encoder;
pub(crate) mod partition;
pub(crate) mod readers;
pub(crate) mod reorder_buffer;
pub(crate) mod upload;
