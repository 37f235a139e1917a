//! What our exports are measured with.

use anyhow::{Result, anyhow};
use exports_domain::{Compression, FileFormat, FileOptions, GivenOptions};

use super::rivals::Rival;
use crate::memory;

/// In MiB: a Parquet file has a row group in memory for each reader.
const MOST_OF_PARQUET: f64 = 160.0;

/// A format with a compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) format: FileFormat,
    pub(super) compression: Compression,
}

pub(super) const CSV: Kind = kind(FileFormat::Csv, Compression::None);
pub(super) const CSV_GZIP: Kind = kind(FileFormat::Csv, Compression::Gzip);
pub(super) const CSV_ZSTD: Kind = kind(FileFormat::Csv, Compression::Zstd);
pub(super) const JSON_LINES: Kind = kind(FileFormat::JsonLines, Compression::None);
pub(super) const JSON_LINES_GZIP: Kind = kind(FileFormat::JsonLines, Compression::Gzip);
pub(super) const JSON_LINES_ZSTD: Kind = kind(FileFormat::JsonLines, Compression::Zstd);
pub(super) const PARQUET: Kind = kind(FileFormat::Parquet, Compression::None);
pub(super) const PARQUET_GZIP: Kind = kind(FileFormat::Parquet, Compression::Gzip);
pub(super) const PARQUET_SNAPPY: Kind = kind(FileFormat::Parquet, Compression::Snappy);
pub(super) const PARQUET_ZSTD: Kind = kind(FileFormat::Parquet, Compression::Zstd);

/// In the order of measurement and of the table.
pub(super) const KINDS: [Kind; 10] = [
    CSV,
    CSV_GZIP,
    CSV_ZSTD,
    JSON_LINES,
    JSON_LINES_GZIP,
    JSON_LINES_ZSTD,
    PARQUET_ZSTD,
    PARQUET_SNAPPY,
    PARQUET_GZIP,
    PARQUET,
];

const fn kind(format: FileFormat, compression: Compression) -> Kind {
    Kind {
        format,
        compression,
    }
}

impl Kind {
    pub(super) fn name(self) -> String {
        let format = match self.format {
            FileFormat::Csv => "CSV",
            FileFormat::JsonLines => "JSON Lines",
            FileFormat::Parquet => "Parquet",
        };
        match self.compression {
            Compression::None => format.to_owned(),
            packed => format!("{format} {}", packed.as_str()),
        }
    }

    pub(super) fn options(self) -> Result<FileOptions> {
        let given = GivenOptions {
            format: Some(self.format),
            compression: Some(self.compression),
            ..GivenOptions::default()
        };
        FileOptions::new(given).map_err(|faults| anyhow!("{faults:?}"))
    }

    /// The tools that write the same.
    pub(super) fn rivals(self) -> &'static [Rival] {
        match self {
            CSV_GZIP => &[Rival::Pigz],
            CSV_ZSTD => &[Rival::Zstd],
            PARQUET_ZSTD => &[Rival::DuckDb, Rival::DuckDbInAnyOrder],
            _ => &[],
        }
    }

    /// The target for the worker's memory, in MiB.
    pub(super) fn most_memory(self) -> f64 {
        match self.format {
            FileFormat::Csv | FileFormat::JsonLines => memory::MOST,
            FileFormat::Parquet => MOST_OF_PARQUET,
        }
    }
}
