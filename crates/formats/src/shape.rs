//! What a file contains, whatever its format.

use exports_domain::{Column, Direction, FileOptions, FileTimeZone};

/// What a file contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileShape {
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The zone of times in text.
    pub time_zone: FileTimeZone,
}

impl FileShape {
    /// What a file with these options and messages of this direction contains.
    #[must_use]
    pub fn new(options: &FileOptions, direction: Direction) -> Self {
        Self {
            columns: options.columns(direction).to_vec(),
            time_zone: options.timezone(),
        }
    }
}
