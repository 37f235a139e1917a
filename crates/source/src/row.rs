//! Rows of our own connection as fixed-size arrays.

use exports_postgres::TextRow;

use crate::error::Error;

/// The values of a row that has exactly `N` columns.
pub(crate) fn values<const N: usize>(row: TextRow) -> Result<[Option<String>; N], Error> {
    row.try_into()
        .map_err(|_| Error::UnexpectedAnswer("a query: wrong number of columns"))
}
