//! Compresses the bytes of a file: `gzip` and `zstd`.
//!
//! Both write what every reader understands, also one that stops after the first member or frame: exactly
//! one member, and exactly one frame. They use several threads in different ways. DEFLATE has a form for
//! blocks that are independent of each other, so the blocks of a gzip member are packed wherever a thread is
//! free. Independent zstd blocks cannot be joined to one frame (a block may repeat offsets of the block
//! before it), so one context takes the bytes in order, and libzstd has threads of its own.

mod gzip;
mod zstd;

pub use gzip::{Checksum, Deflater, GzipMember};
pub use zstd::{ZstdError, ZstdFrame};
