//! The path of the rows from the source to the object store.
//!
//! `partition` cuts the time range of an export into slices. `readers` reads several slices at the same
//! time, each through `chunks` and `encoder` (`encode_error`). `reorder_buffer` puts the slices back in order, `framed` adds
//! the start and the end of the file, `packing` compresses it, and `upload` stores it, with as many parts at the same time
//! as `in_flight` says. If the export is split, `file_split` ends a file among the rows, and `export_files` goes on to the
//! next one; `recording` tells the database what is about to be uploaded. `buffer_pool` reuses the memory. Every step is bounded, so a slow step slows down the
//! steps before it (backpressure).

pub(crate) mod buffer_pool;
mod chunks;
pub(crate) mod encode_error;
pub(crate) mod encoder;
pub(crate) mod export_files;
mod file_split;
pub(crate) mod framed;
mod in_flight;
pub(crate) mod packing;
pub(crate) mod partition;
pub(crate) mod readers;
mod recording;
pub(crate) mod reorder_buffer;
pub(crate) mod upload;
