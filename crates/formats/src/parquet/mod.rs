//! Parquet: rows in groups, each group column by column.
//!
//! A slice of the file becomes row groups of its own, so slices are encoded at the same time and their bytes are
//! joined like those of other formats. Offsets in a row group's metadata count from the start of the slice;
//! `frame` moves them and writes the footer. `schema` says how columns are stored, `batch` collects values,
//! `row_group` encodes them.
//!
//! Memory is bounded: values are encoded and compressed page by page, and a row group ends at
//! `MAX_ROWS` or at `MAX_BYTES`.

mod batch;
mod frame;
mod row_group;
mod schema;

use std::sync::Arc;

use exports_domain::MessageRow;
use uuid::Uuid;

use crate::urls::Urls;
use crate::values;
use crate::{FileShape, Flush, Format, RowFormat, WriteError};
use batch::Batch;
use row_group::{EncodedRowGroup, RowGroup};
use schema::Schema;

pub use frame::ParquetFrame;
pub use schema::Codec;

/// The first bytes of a file, and the last.
const MAGIC: &[u8] = b"PAR1";

/// Bytes that are flushed when they are so many.
const FULL: usize = 512 * 1024;

/// Parquet files of one shape.
#[derive(Debug)]
pub struct Parquet {
    schema: Arc<Schema>,
    urls: Arc<Urls>,
}

/// Writes the rows of a slice.
pub struct ParquetWriter {
    schema: Arc<Schema>,
    urls: Arc<Urls>,
    batch: Batch,
    row_group: Option<RowGroup>,
    written: ParquetSlice,
}

/// The row groups of a slice.
#[derive(Debug, Default)]
pub struct ParquetSlice {
    row_groups: Vec<EncodedRowGroup>,
    bytes: u64,
}

impl Parquet {
    /// Files of this shape. `urls` has all endpoints; without it, each row has its URL.
    pub fn new(
        shape: &FileShape,
        codec: Codec,
        urls: Option<impl IntoIterator<Item = (Uuid, String)>>,
    ) -> Result<Self, WriteError> {
        let encode = |url: &str| url.as_bytes().to_vec();
        let urls = urls.map_or_else(Urls::in_rows, |urls| Urls::known(urls, encode));
        Ok(Self {
            schema: Arc::new(Schema::new(shape, codec)?),
            urls: Arc::new(urls),
        })
    }
}

impl Format for Parquet {
    const HAS_GROUPS: bool = true;

    type Rows = ParquetWriter;
    type Frame = ParquetFrame;

    fn rows(&self) -> ParquetWriter {
        ParquetWriter {
            batch: Batch::new(&self.schema),
            schema: self.schema.clone(),
            urls: self.urls.clone(),
            row_group: None,
            written: ParquetSlice::default(),
        }
    }

    fn frame(&self) -> ParquetFrame {
        ParquetFrame::new(self.schema.clone())
    }
}

impl ParquetWriter {
    fn encode_batch(
        &mut self,
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<(), WriteError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let row_group = match &mut self.row_group {
            Some(row_group) => row_group,
            None => self.row_group.insert(RowGroup::new(&self.schema)),
        };
        row_group.encode(&mut self.batch)?;
        if row_group.is_full() {
            self.end_row_group(file, flush)?;
        }
        Ok(())
    }

    fn end_row_group(
        &mut self,
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<(), WriteError> {
        if let Some(row_group) = self.row_group.take() {
            let begins_at = self.written.bytes;
            let row_group = row_group.close(begins_at, |bytes| {
                self.written.bytes += bytes.len() as u64;
                for piece in bytes.chunks(FULL) {
                    file.extend_from_slice(piece);
                    if file.len() >= FULL {
                        flush(file);
                    }
                }
            })?;
            self.written.row_groups.push(row_group);
        }
        Ok(())
    }
}

impl RowFormat for ParquetWriter {
    type Slice = ParquetSlice;

    fn push_row(
        &mut self,
        file: &mut Vec<u8>,
        row: &MessageRow<'_>,
        flush: &mut Flush<'_>,
    ) -> Result<(), WriteError> {
        for (index, column) in self.schema.columns.iter().enumerate() {
            let value = values::value(*column, row)?;
            let pushed = self.batch.push(index, value, row, &self.urls);
            pushed.map_err(|error| values::out_of_range(row, column.as_str(), error))?;
        }
        self.batch.end_row();
        if self.batch.is_full() {
            self.encode_batch(file, flush)?;
        }
        Ok(())
    }

    fn end_slice(
        &mut self,
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<ParquetSlice, WriteError> {
        self.encode_batch(file, flush)?;
        self.end_row_group(file, flush)?;
        Ok(std::mem::take(&mut self.written))
    }
}
