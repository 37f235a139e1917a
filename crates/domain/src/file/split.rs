//! The files of an export that is split.

/// One of the files of an export with `max_rows_per_file`. It is whole in itself: with a header, or as one gzip member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitFile {
    /// Data rows, without the header.
    pub row_count: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// The most files that an export can have. Each read of the export lists them all.
pub const MAX_SPLIT_FILES: u32 = 1_000;
