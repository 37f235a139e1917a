//! The JSON of the files of an export.

use exports_domain::{Export, ExportFile, SplitFile};
use serde::Serialize;
use utoipa::ToSchema;

/// A file of an export
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportFile)]
pub struct FileJson {
    /// Its position among the files of the export, from 1
    #[schema(minimum = 1, example = 1)]
    number: u32,
    /// The name of the downloaded file
    #[schema(example = "export-01935abc-def0-7123-4567-890abcdef012-0001.csv")]
    name: String,
    /// Number of data rows
    #[schema(example = 5000)]
    row_count: u64,
    /// File size in bytes
    #[schema(example = 1_024_000)]
    file_size_bytes: u64,
    /// SHA-256 of the file, in hex
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
}

impl FileJson {
    /// The files of an export that is split.
    pub(crate) fn of_split(export: &Export, files: &[SplitFile]) -> Vec<Self> {
        let file = |(number, file): (u32, &SplitFile)| Self {
            number,
            name: export.options.split_file_name(export.id, number),
            row_count: file.row_count,
            file_size_bytes: file.size_bytes,
            sha256: hex::encode(file.sha256),
        };
        (1..).zip(files).map(file).collect()
    }

    /// All files of an export, also if it is not split.
    pub(crate) fn all_of(export: &Export, file: &ExportFile) -> Vec<Self> {
        match &file.files {
            Some(files) => Self::of_split(export, files),
            None => vec![Self {
                number: 1,
                name: export.options.file_name(export.id),
                row_count: file.row_count,
                file_size_bytes: file.size_bytes,
                sha256: hex::encode(file.sha256),
            }],
        }
    }
}
