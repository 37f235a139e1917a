//! The file of an export: its format and everything else that a request can choose about it.
//!
//! [`FileOptions`] is what a request chose. The other types are the values of its fields. Encoding rows is not here: that
//! is the crate `exports-formats`.

mod column;
mod columns;
mod compression;
mod csv_options;
mod format;
mod options;
mod rows_per_file;
mod split;
mod time_zone;

pub use column::Column;
pub use columns::{Columns, ColumnsError};
pub use compression::Compression;
pub use csv_options::{CsvOptions, Delimiter, LineEnding};
pub use format::FileFormat;
pub use options::{FileOptions, GivenOptions, OptionsError};
pub use rows_per_file::{RowsPerFile, RowsPerFileError};
pub use split::{MAX_SPLIT_FILES, SplitFile};
pub use time_zone::{FileTimeZone, UnknownTimeZone};
