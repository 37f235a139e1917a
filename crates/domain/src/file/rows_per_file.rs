//! How many rows a file has at most, if an export is split into several files.

use std::fmt;

/// 1,000 to 1,000,000,000 rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowsPerFile(u64);

/// A number that is out of range. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {} to {}", RowsPerFile::MIN, RowsPerFile::MAX)]
pub struct RowsPerFileError;

impl RowsPerFile {
    /// The smallest number.
    pub const MIN: u64 = 1_000;
    /// The largest number.
    pub const MAX: u64 = 1_000_000_000;

    /// The number of rows.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for RowsPerFile {
    type Error = RowsPerFileError;

    fn try_from(rows: u64) -> Result<Self, RowsPerFileError> {
        if (Self::MIN..=Self::MAX).contains(&rows) {
            Ok(Self(rows))
        } else {
            Err(RowsPerFileError)
        }
    }
}

impl fmt::Display for RowsPerFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_rows_is_limited_on_both_sides() {
        for rows in [1_000, 1_048_575, 1_000_000_000] {
            assert_eq!(RowsPerFile::try_from(rows).map(RowsPerFile::get), Ok(rows));
        }
        for rows in [0, 999, 1_000_000_001, u64::MAX] {
            let error = RowsPerFile::try_from(rows).unwrap_err();
            assert_eq!(error.to_string(), "must be 1000 to 1000000000");
        }
    }
}
