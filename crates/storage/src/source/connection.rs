//! A connection to the source, as sessions use it: values as text, and COPY.

use super::bulk::{BulkConnection, BulkRows, open};
use crate::error::Error;
use crate::route::Route;

/// A connection that asks one thing at a time. After an error it is of no use.
#[derive(Debug)]
pub(super) struct Connection(pub(super) BulkConnection);

/// A row of an answer, value by value; `None` is NULL.
pub(crate) type TextRow = Vec<Option<String>>;

/// The bytes of a COPY, for a [`Decoder`](super::Decoder). Read them to their end, or drop the
/// session.
#[derive(Debug)]
pub struct CopyRows<'a>(BulkRows<'a>);

impl Connection {
    pub(super) async fn open(route: &Route) -> Result<Self, Error> {
        Ok(Self(open(route).await?.connection))
    }

    /// Runs statements, separated by semicolons. Gives the rows of all.
    pub(super) async fn query(&mut self, statements: &str) -> Result<Vec<TextRow>, Error> {
        self.0.query(statements).await
    }

    /// The first value of the last row, if it is there and not NULL.
    pub(super) async fn value(&mut self, statements: &str) -> Result<Option<String>, Error> {
        let last = self.query(statements).await?.pop();
        Ok(last.and_then(|row| row.into_iter().next().flatten()))
    }

    /// Whether what a statement asks is so.
    pub(super) async fn is_true(&mut self, statement: &str) -> Result<bool, Error> {
        Ok(self.value(statement).await?.as_deref() == Some("t"))
    }

    /// Starts a COPY to us.
    pub(super) async fn copy(&mut self, statement: &str) -> Result<CopyRows<'_>, Error> {
        Ok(CopyRows(self.0.copy(statement).await?))
    }
}

impl CopyRows<'_> {
    /// Appends some more bytes, at least one; `false` at the end. `rows` have less than `limit`
    /// bytes, and get no more than that, but for the rest of a row.
    pub async fn read(&mut self, rows: &mut Vec<u8>, limit: usize) -> Result<bool, Error> {
        self.0.read(rows, limit).await
    }
}
