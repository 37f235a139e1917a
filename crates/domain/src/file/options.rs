//! What a request chooses about the file of its export.

use crate::file::{
    Column, Columns, Compression, CsvOptions, FileFormat, FileTimeZone, RowsPerFile,
};
use crate::filter::Direction;
use crate::ids::ExportId;

/// The options as they are in a request. `None`: not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct GivenOptions {
    /// The format.
    pub format: Option<FileFormat>,
    /// The compression.
    pub compression: Option<Compression>,
    /// The columns, and their order.
    pub columns: Option<Columns>,
    /// The time zone of all times.
    pub timezone: Option<FileTimeZone>,
    /// The dialect of a CSV.
    pub csv: Option<CsvOptions>,
    /// Splits the export into files of so many rows.
    pub max_rows_per_file: Option<RowsPerFile>,
}

/// Options that do not contradict each other.
///
/// An export shows the [given](Self::given) ones. The other methods have the defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FileOptions(GivenOptions);

/// Two options that contradict each other. The message names the field and the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The format cannot have this compression.
    #[error("compression must be {} with format {format}", alternatives(*.format))]
    Compression {
        /// The format.
        format: FileFormat,
    },
    /// The dialect of a CSV, for a file of another format.
    #[error("csv must be given with format csv only: the format is {format}")]
    Csv {
        /// The format.
        format: FileFormat,
    },
}

fn alternatives(format: FileFormat) -> String {
    let names: Vec<_> = Compression::all_of(format)
        .iter()
        .map(|it| it.as_str())
        .collect();
    crate::one_of(&names)
}

impl FileOptions {
    /// Checks that the options do not contradict each other. The error has all faults.
    pub fn new(given: GivenOptions) -> Result<Self, Vec<OptionsError>> {
        let options = Self(given);
        let format = options.format();
        let mut faults = Vec::new();
        if !Compression::all_of(format).contains(&options.compression()) {
            faults.push(OptionsError::Compression { format });
        }
        if options.0.csv.is_some() && format != FileFormat::Csv {
            faults.push(OptionsError::Csv { format });
        }
        if faults.is_empty() {
            Ok(options)
        } else {
            Err(faults)
        }
    }

    /// What the request gave.
    #[must_use]
    pub const fn given(&self) -> &GivenOptions {
        &self.0
    }

    /// Whether the request gave nothing: the file is the CSV of an export without options.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0 == GivenOptions::default()
    }

    /// Whether files of both options are the same for the same messages: the options are equal after the defaults are
    /// filled in.
    #[must_use]
    pub fn has_same_file_as(&self, other: &Self, direction: Direction) -> bool {
        let parts = |it: &Self| {
            let (zone, csv, rows) = (it.timezone(), it.csv(), it.max_rows_per_file());
            (it.format(), it.compression(), zone, csv, rows)
        };
        parts(self) == parts(other) && self.columns(direction) == other.columns(direction)
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> FileFormat {
        self.0.format.unwrap_or_default()
    }

    /// The compression.
    #[must_use]
    pub fn compression(&self) -> Compression {
        let default = || Compression::default_of(self.format());
        self.0.compression.unwrap_or_else(default)
    }

    /// The columns of a file with messages of this direction, in their order.
    #[must_use]
    pub fn columns(&self, direction: Direction) -> &[Column] {
        let given = self.0.columns.as_ref();
        given.map_or(Column::all_of(direction), Columns::as_slice)
    }

    /// The time zone of all times.
    #[must_use]
    pub fn timezone(&self) -> FileTimeZone {
        self.0.timezone.unwrap_or(FileTimeZone::UTC)
    }

    /// The dialect, if the format is CSV.
    #[must_use]
    pub fn csv(&self) -> CsvOptions {
        self.0.csv.unwrap_or_default()
    }

    /// How many rows each file has, if the export is split.
    #[must_use]
    pub fn max_rows_per_file(&self) -> Option<RowsPerFile> {
        self.0.max_rows_per_file
    }

    /// The name of the file of this export.
    #[must_use]
    pub fn file_name(&self, export: ExportId) -> String {
        format!("export-{export}.{}", self.extension())
    }

    /// The name of a file of this export, which is split. The first is number 1.
    #[must_use]
    pub fn split_file_name(&self, export: ExportId, number: u32) -> String {
        format!("export-{export}-{number:04}.{}", self.extension())
    }

    /// The media type of the file, for `Content-Type`. The file is what is stored: a compressed file has the type of its
    /// compression and no `Content-Encoding`, because clients would unpack it.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        match (self.format(), self.compression()) {
            (FileFormat::Parquet, _) => "application/vnd.apache.parquet",
            (_, Compression::Gzip) => "application/gzip",
            (_, Compression::Zstd) => "application/zstd",
            (FileFormat::Csv, _) => "text/csv; charset=utf-8",
            (FileFormat::JsonLines, _) => "application/x-ndjson",
        }
    }

    /// Every extension that a file can have.
    pub const EXTENSIONS: [&str; 7] = [
        "csv",
        "csv.gz",
        "csv.zst",
        "jsonl",
        "jsonl.gz",
        "jsonl.zst",
        "parquet",
    ];

    /// The extension of the file's name, without the first dot.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match (self.format(), self.compression()) {
            (FileFormat::Parquet, _) => "parquet",
            (FileFormat::Csv, Compression::Gzip) => "csv.gz",
            (FileFormat::Csv, Compression::Zstd) => "csv.zst",
            (FileFormat::Csv, _) => "csv",
            (FileFormat::JsonLines, Compression::Gzip) => "jsonl.gz",
            (FileFormat::JsonLines, Compression::Zstd) => "jsonl.zst",
            (FileFormat::JsonLines, _) => "jsonl",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(
        format: Option<FileFormat>,
        compression: Option<Compression>,
    ) -> Result<FileOptions, Vec<OptionsError>> {
        FileOptions::new(GivenOptions {
            format,
            compression,
            ..GivenOptions::default()
        })
    }

    #[test]
    fn no_options_are_the_plain_csv() {
        let plain = FileOptions::default();
        assert!(plain.is_plain());
        assert_eq!(
            (plain.format(), plain.compression()),
            (FileFormat::Csv, Compression::None)
        );
        assert_eq!(plain.timezone(), FileTimeZone::UTC);
        assert_eq!(plain.csv(), CsvOptions::default());
        for &direction in Direction::ALL {
            assert_eq!(plain.columns(direction), Column::all_of(direction));
        }
    }

    #[test]
    fn names_and_types_follow_from_format_and_compression() {
        use Compression::{Gzip, None as Uncompressed, Snappy, Zstd};
        use FileFormat::{Csv, JsonLines, Parquet};
        let parquet = ("parquet", "application/vnd.apache.parquet");
        for (format, compression, expected) in [
            (Csv, None, ("csv", "text/csv; charset=utf-8")),
            (Csv, Some(Uncompressed), ("csv", "text/csv; charset=utf-8")),
            (Csv, Some(Gzip), ("csv.gz", "application/gzip")),
            (Csv, Some(Zstd), ("csv.zst", "application/zstd")),
            (JsonLines, None, ("jsonl", "application/x-ndjson")),
            (JsonLines, Some(Gzip), ("jsonl.gz", "application/gzip")),
            (JsonLines, Some(Zstd), ("jsonl.zst", "application/zstd")),
            (Parquet, None, parquet),
            (Parquet, Some(Uncompressed), parquet),
            (Parquet, Some(Gzip), parquet),
            (Parquet, Some(Zstd), parquet),
            (Parquet, Some(Snappy), parquet),
        ] {
            let options = options(Some(format), compression).unwrap();
            assert_eq!((options.extension(), options.media_type()), expected);
            assert!(FileOptions::EXTENSIONS.contains(&options.extension()));
        }
        let parquet = options(Some(Parquet), None).unwrap();
        let id: ExportId = "01935abc-def0-7123-4567-890abcdef012".parse().unwrap();
        assert_eq!(parquet.file_name(id), format!("export-{id}.parquet"));
        assert_eq!(parquet.compression(), Zstd);
        assert_eq!(parquet.given().compression, None);
    }

    #[test]
    fn contradictions_are_refused_together() {
        for (format, rule) in [
            (
                None,
                "compression must be none, gzip or zstd with format csv",
            ),
            (
                Some(FileFormat::JsonLines),
                "compression must be none, gzip or zstd with format jsonl",
            ),
        ] {
            let faults = options(format, Some(Compression::Snappy)).unwrap_err();
            assert_eq!(faults[0].to_string(), rule);
        }
        let both = FileOptions::new(GivenOptions {
            format: Some(FileFormat::JsonLines),
            compression: Some(Compression::Snappy),
            csv: Some(CsvOptions::default()),
            ..GivenOptions::default()
        });
        let faults = both.unwrap_err();
        assert_eq!(faults.len(), 2);
        assert_eq!(
            faults[1].to_string(),
            "csv must be given with format csv only: the format is jsonl"
        );
    }

    #[test]
    fn a_default_that_is_given_makes_the_same_file() {
        let direction = Direction::Inbound;
        let all = Columns::new(Column::all_of(direction).to_vec(), direction).unwrap();
        let given = FileOptions::new(GivenOptions {
            format: Some(FileFormat::Csv),
            compression: Some(Compression::None),
            columns: Some(all),
            timezone: Some(FileTimeZone::UTC),
            csv: Some(CsvOptions::default()),
            max_rows_per_file: None,
        })
        .unwrap();
        let plain = FileOptions::default();
        assert!(!given.is_plain() && given != plain);
        assert!(given.has_same_file_as(&plain, direction));
        let gzip = options(None, Some(Compression::Gzip)).unwrap();
        assert!(!gzip.has_same_file_as(&plain, direction));
        let one = FileOptions::new(GivenOptions {
            columns: Some(Columns::new(vec![Column::Status], direction).unwrap()),
            ..GivenOptions::default()
        })
        .unwrap();
        assert!(!one.has_same_file_as(&plain, direction));
        let split = FileOptions::new(GivenOptions {
            max_rows_per_file: Some(RowsPerFile::try_from(1_000).unwrap()),
            ..GivenOptions::default()
        })
        .unwrap();
        assert!(!split.has_same_file_as(&plain, direction));
    }
}
