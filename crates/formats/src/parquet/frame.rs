//! The start and the end of a file.

use std::sync::Arc;

use parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
};

use super::row_group::{EncodedRowGroup, moved};
use super::schema::Schema;
use super::{MAGIC, ParquetSlice};
use crate::{FileFrame, WriteError};

/// The start of a file, and its footer, which says where everything is.
#[derive(Debug)]
pub struct ParquetFrame {
    schema: Arc<Schema>,
    /// The row groups, each with the place where its slice begins.
    row_groups: Vec<(u64, EncodedRowGroup)>,
}

impl ParquetFrame {
    pub(super) fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            row_groups: Vec::new(),
        }
    }
}

impl FileFrame for ParquetFrame {
    type Slice = ParquetSlice;

    fn start(&mut self) -> Vec<u8> {
        MAGIC.to_vec()
    }

    fn add_slice(&mut self, begins_at: u64, slice: ParquetSlice) {
        let row_groups = slice.row_groups.into_iter();
        self.row_groups.extend(row_groups.map(|it| (begins_at, it)));
    }

    fn end(&mut self) -> Result<Vec<u8>, WriteError> {
        let mut rows = 0;
        let mut row_groups = Vec::with_capacity(self.row_groups.len());
        for (begins_at, row_group) in self.row_groups.drain(..) {
            rows += row_group.rows;
            let mut bytes = 0;
            let mut builder = RowGroupMetaData::builder(self.schema.descriptor.clone())
                .set_num_rows(row_group.rows)
                .set_file_offset(signed(begins_at + row_group.begins_at))
                .set_ordinal(i32::try_from(row_groups.len()).unwrap_or(i32::MAX));
            for column in row_group.columns {
                bytes += column.uncompressed_size();
                builder = builder.add_column_metadata(moved(column, begins_at)?);
            }
            row_groups.push(builder.set_total_byte_size(bytes).build()?);
        }
        let properties = &self.schema.properties;
        let file = FileMetaData::new(
            properties.writer_version().as_num(),
            rows,
            Some(properties.created_by().to_owned()),
            None,
            self.schema.descriptor.clone(),
            None,
        );
        let metadata = ParquetMetaData::new(file, row_groups);
        let mut footer = Vec::new();
        ParquetMetaDataWriter::new(&mut footer, &metadata).finish()?;
        Ok(footer)
    }
}

/// No file has more bytes than an `i64` can count.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
