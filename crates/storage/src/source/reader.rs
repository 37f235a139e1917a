//! Whoever reads slices of an export: the session that has its snapshot, or others that join it.

use exports_domain::{MessageFilter, ProjectId};
use futures_util::TryStreamExt;
use postgres_protocol::escape::escape_literal;

use super::Source;
use super::bulk::{BulkConnection, BulkRows};
use super::query::{End, PROJECT_SETTING, UrlColumn, copy_slice_statement, time_statement};
use super::session::{RowStream, SETTINGS, SourceSession};
use super::slice::{PgTimestamp, Slice};
use super::snapshot::SnapshotId;
use crate::database::in_time;
use crate::error::Error;

/// Reads one slice after the other, all under one snapshot.
#[derive(Debug)]
pub struct SliceReader<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Bulk(BulkConnection),
    /// Where a bulk connection is not to be had.
    Joined(Box<SourceSession>),
    Own(&'a mut SourceSession),
}

/// The bytes of one slice's COPY, for a [`Decoder`](super::Decoder). Read them to their end, or drop
/// the reader.
pub struct SliceRows<'a>(RowsKind<'a>);

enum RowsKind<'a> {
    Bulk(BulkRows<'a>),
    Session(RowStream<'a>),
}

impl Source {
    /// Joins a snapshot, over a connection of its own that is closed with the reader. It fails
    /// where the snapshot is not to be had: its session has ended, or this connection got to
    /// another server behind the same address.
    pub async fn join(
        &self,
        project: &ProjectId,
        snapshot: &SnapshotId,
    ) -> Result<SliceReader<'static>, Error> {
        let opened = in_time(BulkConnection::open(&self.options)).await?;
        let Some(mut bulk) = opened else {
            let mut session = self.open_session().await?;
            session.join(project, snapshot).await?;
            return Ok(SliceReader(Kind::Joined(Box::new(session))));
        };
        bulk.execute(SETTINGS).await?;
        let join = format!(
            "{}; SELECT set_config('{PROJECT_SETTING}', {}, true)",
            snapshot.join_statements(),
            escape_literal(project.as_str()),
        );
        bulk.execute(&join).await?;
        Ok(SliceReader(Kind::Bulk(bulk)))
    }
}

impl<'a> SliceReader<'a> {
    /// The session that began the snapshot.
    pub fn own(session: &'a mut SourceSession) -> Self {
        Self(Kind::Own(session))
    }

    /// The rows of a slice.
    pub async fn rows(
        &mut self,
        filter: &MessageFilter,
        slice: Slice,
        url: UrlColumn,
    ) -> Result<SliceRows<'_>, Error> {
        Ok(SliceRows(match &mut self.0 {
            Kind::Bulk(bulk) => {
                let statement = copy_slice_statement(filter, slice, url);
                RowsKind::Bulk(bulk.copy(&statement).await?)
            }
            Kind::Joined(session) => {
                RowsKind::Session(session.slice_rows(filter, slice, url).await?)
            }
            Kind::Own(session) => RowsKind::Session(session.slice_rows(filter, slice, url).await?),
        }))
    }

    /// When the first message of a slice was created.
    pub async fn first_time(
        &mut self,
        filter: &MessageFilter,
        slice: Slice,
    ) -> Result<Option<PgTimestamp>, Error> {
        match &mut self.0 {
            Kind::Bulk(bulk) => {
                let statement = time_statement(filter, slice, End::First, 0);
                let micros = bulk.query(&statement).await?;
                let micros = micros.map(|text| text.parse()).transpose();
                Ok(micros.map_err(|_| Error::Desynchronised)?.map(PgTimestamp))
            }
            Kind::Joined(session) => session.first_time(filter, slice).await,
            Kind::Own(session) => session.first_time(filter, slice).await,
        }
    }
}

impl SliceRows<'_> {
    /// Appends some more bytes, at least one; `false` at the end. `rows` have less than `limit`
    /// bytes, and get no more than that, but for the rest of a row.
    pub async fn read(&mut self, rows: &mut Vec<u8>, limit: usize) -> Result<bool, Error> {
        match &mut self.0 {
            RowsKind::Bulk(bulk) => bulk.read(rows, limit).await,
            RowsKind::Session(stream) => match stream.try_next().await? {
                None => Ok(false),
                Some(row) => {
                    rows.extend_from_slice(&row);
                    Ok(true)
                }
            },
        }
    }
}
