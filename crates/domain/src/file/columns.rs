//! The columns that a request chooses.

use crate::file::Column;
use crate::filter::Direction;

/// One or more distinct columns of one direction, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Columns(Box<[Column]>);

/// An invalid list of columns. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// There is no column.
    #[error("must have at least one column")]
    Empty,
    /// Messages of the direction do not have the column at this index.
    #[error("must be a column of direction {direction}, which does not have {column}")]
    OtherDirection {
        /// Its index.
        index: usize,
        /// The column.
        column: Column,
        /// The direction of the export.
        direction: Direction,
    },
    /// The column at this index has been given before.
    #[error("is repeated: each column must be given once")]
    Repeated {
        /// The index of the repetition.
        index: usize,
    },
}

impl ColumnsError {
    /// The index of the column at fault.
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::OtherDirection { index, .. } | Self::Repeated { index } => Some(*index),
        }
    }
}

impl Columns {
    /// Checks the columns of an export with messages of this direction. The error has all faults.
    pub fn new(columns: Vec<Column>, direction: Direction) -> Result<Self, Vec<ColumnsError>> {
        if columns.is_empty() {
            return Err(vec![ColumnsError::Empty]);
        }
        let fault = |(index, &column): (usize, &Column)| {
            if !Column::all_of(direction).contains(&column) {
                return Some(ColumnsError::OtherDirection {
                    index,
                    column,
                    direction,
                });
            }
            let is_repeated = columns[..index].contains(&column);
            is_repeated.then_some(ColumnsError::Repeated { index })
        };
        let faults: Vec<_> = columns.iter().enumerate().filter_map(fault).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self(columns.into()))
    }

    /// The columns, in the order of the file.
    #[must_use]
    pub fn as_slice(&self) -> &[Column] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order() {
        let chosen = vec![Column::Status, Column::MessageId];
        let columns = Columns::new(chosen.clone(), Direction::Outbound).unwrap();
        assert_eq!(columns.as_slice(), chosen);
        for &direction in Direction::ALL {
            let all = Column::all_of(direction);
            assert!(Columns::new(all.to_vec(), direction).is_ok());
        }
    }

    #[test]
    fn every_fault_is_reported_with_its_index() {
        assert_eq!(
            Columns::new(vec![], Direction::Outbound),
            Err(vec![ColumnsError::Empty])
        );
        let chosen = vec![
            Column::ReceivedAt,
            Column::CreatedAt,
            Column::Status,
            Column::ReceivedAt,
            Column::Status,
        ];
        let faults = Columns::new(chosen, Direction::Inbound).unwrap_err();
        let faults: Vec<_> = faults
            .iter()
            .map(|it| (it.index().unwrap(), it.to_string()))
            .collect();
        let repeated = || "is repeated: each column must be given once".to_owned();
        assert_eq!(
            faults,
            [
                (
                    1,
                    "must be a column of direction inbound, which does not have created_at"
                        .to_owned()
                ),
                (3, repeated()),
                (4, repeated()),
            ]
        );
    }
}
