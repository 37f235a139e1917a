//! A connection to the source: one of `bulk`, or sqlx's where that is not to be had.
//!
//! Both speak the simple protocol, in whose answers every value is text.

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, PgConnection, Row, ValueRef};

use super::bulk::{BulkConnection, BulkRows};
use crate::database::{connect, in_time};
use crate::error::Error;

/// A connection that asks one thing at a time. After an error it is of no use.
#[derive(Debug)]
pub(super) enum Connection {
    Bulk(BulkConnection),
    Sqlx(PgConnection),
}

/// A row of an answer, value by value; `None` is NULL.
pub(super) type TextRow = Vec<Option<String>>;

/// The bytes of a COPY, for a [`Decoder`](super::Decoder). Read them to their end, or drop the
/// session.
#[derive(Debug)]
pub struct CopyRows<'a>(Rows<'a>);

enum Rows<'a> {
    Bulk(BulkRows<'a>),
    Sqlx(BoxStream<'a, sqlx::Result<bytes::Bytes>>),
}

impl Connection {
    pub(super) async fn open(options: &PgConnectOptions) -> Result<Self, Error> {
        match in_time(BulkConnection::open(options)).await? {
            Some(bulk) => Ok(Self::Bulk(bulk)),
            None => Ok(Self::Sqlx(connect(options).await?)),
        }
    }

    /// Runs statements, separated by semicolons. Gives the rows of all.
    pub(super) async fn query(&mut self, statements: &str) -> Result<Vec<TextRow>, Error> {
        match self {
            Self::Bulk(bulk) => bulk.query(statements).await,
            Self::Sqlx(connection) => {
                let statements = sqlx::raw_sql(AssertSqlSafe(statements));
                let rows = statements.fetch_all(connection).await?;
                rows.iter().map(texts).collect()
            }
        }
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
        Ok(CopyRows(match self {
            Self::Bulk(bulk) => Rows::Bulk(bulk.copy(statement).await?),
            Self::Sqlx(connection) => Rows::Sqlx(connection.copy_out_raw(statement).await?),
        }))
    }
}

impl CopyRows<'_> {
    /// Appends some more bytes, at least one; `false` at the end. `rows` have less than `limit`
    /// bytes, and get no more than that, but for the rest of a row.
    pub async fn read(&mut self, rows: &mut Vec<u8>, limit: usize) -> Result<bool, Error> {
        match &mut self.0 {
            Rows::Bulk(bulk) => bulk.read(rows, limit).await,
            Rows::Sqlx(stream) => match stream.try_next().await? {
                None => Ok(false),
                Some(row) => {
                    rows.extend_from_slice(&row);
                    Ok(true)
                }
            },
        }
    }
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bulk(_) => "Bulk",
            Self::Sqlx(_) => "Sqlx",
        })
    }
}

fn texts(row: &PgRow) -> Result<TextRow, Error> {
    let text = |column| {
        let value = row.try_get_raw(column)?;
        if value.is_null() {
            return Ok(None);
        }
        let text = value.as_str().map_err(|_| Error::Desynchronised)?;
        Ok(Some(text.to_owned()))
    };
    (0..row.len()).map(text).collect()
}
