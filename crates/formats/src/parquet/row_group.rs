//! Encodes one row group: every column into its own memory.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use parquet::column::writer::{ColumnWriter, get_column_writer};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};

use super::batch::{Batch, SetValues, Values, split_ids};
use super::schema::Schema;

/// The most rows of a row group, apart from those of one batch.
pub(super) const MAX_ROWS: u64 = 128 * 1024;
/// A row group ends when its pages have so many bytes.
pub(super) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A row group to which rows are added.
pub(super) struct RowGroup {
    columns: Vec<ColumnChunk>,
    rows: u64,
}

struct ColumnChunk {
    writer: ColumnWriter<'static>,
    pages: Pages,
}

/// The metadata of a row group that is written.
#[derive(Debug)]
pub(super) struct EncodedRowGroup {
    /// Their offsets count from the start of the slice.
    pub(super) columns: Vec<ColumnChunkMetaData>,
    pub(super) rows: i64,
    pub(super) begins_at: u64,
}

impl RowGroup {
    pub(super) fn new(schema: &Schema) -> Self {
        let column = |descriptor: &_| {
            let pages = Pages::default();
            let writer = get_column_writer(
                Arc::clone(descriptor),
                schema.properties.clone(),
                Box::new(pages.clone()),
            );
            ColumnChunk { writer, pages }
        };
        Self {
            columns: schema.descriptor.columns().iter().map(column).collect(),
            rows: 0,
        }
    }

    /// Takes the rows out of the batch.
    pub(super) fn encode(&mut self, batch: &mut Batch) -> Result<()> {
        let (values, rows) = batch.take();
        for (column, values) in self.columns.iter_mut().zip(values) {
            column.encode(values)?;
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// Whether another batch would be too much.
    pub(super) fn is_full(&self) -> bool {
        let bytes: usize = self.columns.iter().map(|it| it.pages.lock().len()).sum();
        self.rows + super::batch::ROWS as u64 > MAX_ROWS || bytes >= MAX_BYTES
    }

    /// Ends the row group, which begins at this byte of the slice, and passes its bytes on.
    pub(super) fn close(
        self,
        begins_at: u64,
        mut write: impl FnMut(&[u8]),
    ) -> Result<EncodedRowGroup> {
        let mut at = begins_at;
        let mut columns = Vec::with_capacity(self.columns.len());
        for ColumnChunk { writer, pages } in self.columns {
            let metadata = writer.close()?.metadata;
            columns.push(moved(metadata, at)?);
            let bytes = std::mem::take(&mut *pages.lock());
            at += bytes.len() as u64;
            write(&bytes);
        }
        Ok(EncodedRowGroup {
            columns,
            rows: i64::try_from(self.rows).unwrap_or(i64::MAX),
            begins_at,
        })
    }
}

/// The metadata of a column whose bytes begin later by `bytes`.
pub(super) fn moved(metadata: ColumnChunkMetaData, bytes: u64) -> Result<ColumnChunkMetaData> {
    let bytes = i64::try_from(bytes).map_err(|error| ParquetError::External(error.into()))?;
    let data = metadata.data_page_offset() + bytes;
    let dictionary = metadata.dictionary_page_offset().map(|at| at + bytes);
    metadata
        .into_builder()
        .set_data_page_offset(data)
        .set_dictionary_page_offset(dictionary)
        .build()
}

impl ColumnChunk {
    fn encode(&mut self, values: &mut Values) -> Result<()> {
        let levels = values.levels.as_deref();
        match (&mut self.writer, &mut values.set) {
            (ColumnWriter::ByteArrayColumnWriter(writer), SetValues::Ids(ids)) => {
                writer.write_batch(&split_ids(ids)?, levels, None)?;
            }
            (ColumnWriter::ByteArrayColumnWriter(writer), SetValues::Texts(texts)) => {
                writer.write_batch(texts, levels, None)?;
                texts.clear();
            }
            (ColumnWriter::Int32ColumnWriter(writer), SetValues::Ints(numbers)) => {
                writer.write_batch(numbers, levels, None)?;
                numbers.clear();
            }
            (ColumnWriter::Int64ColumnWriter(writer), SetValues::Times(times)) => {
                writer.write_batch(times, levels, None)?;
                times.clear();
            }
            _ => return Err(ParquetError::General("a column of another type".to_owned())),
        }
        if let Some(levels) = &mut values.levels {
            levels.clear();
        }
        Ok(())
    }
}

/// The pages of a column chunk.
#[derive(Debug, Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl Pages {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PageWriter for Pages {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let mut pages = self.lock();
        let begins_at = pages.len() as u64;
        let mut sink = TrackedWrite::new(&mut *pages);
        let mut spec = SerializedPageWriter::new(&mut sink).write_page(page)?;
        sink.flush()?;
        spec.offset += begins_at;
        Ok(spec)
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
