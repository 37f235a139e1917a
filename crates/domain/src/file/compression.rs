//! The compression of a file.

use crate::file::FileFormat;
use crate::named_enum::named_enum;

named_enum! {
    /// The compression of a file: of the whole file for CSV and JSON Lines, of its pages for Parquet.
    enum Compression: "snake_case" {
        /// Not compressed.
        None,
        /// Gzip (RFC 1952).
        Gzip,
        /// Zstandard (RFC 8878).
        Zstd,
        /// Snappy, for the pages of Parquet only.
        Snappy,
    }
}

impl Compression {
    /// The compression of a file whose request chooses none.
    #[must_use]
    pub const fn default_of(format: FileFormat) -> Self {
        match format {
            FileFormat::Csv | FileFormat::JsonLines => Self::None,
            // A reader of Parquet unpacks only the pages that it needs.
            FileFormat::Parquet => Self::Zstd,
        }
    }

    /// The compressions that a format can have.
    #[must_use]
    pub const fn all_of(format: FileFormat) -> &'static [Self] {
        match format {
            FileFormat::Csv | FileFormat::JsonLines => &[Self::None, Self::Gzip, Self::Zstd],
            FileFormat::Parquet => &[Self::None, Self::Gzip, Self::Zstd, Self::Snappy],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_can_have_its_default() {
        assert_eq!(Compression::NAMES, ["none", "gzip", "zstd", "snappy"]);
        for &format in FileFormat::ALL {
            let default = Compression::default_of(format);
            assert!(Compression::all_of(format).contains(&default), "{format}");
        }
    }
}
