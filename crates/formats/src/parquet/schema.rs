//! How the columns are stored.

use std::sync::Arc;

use exports_domain::Column;
use parquet::basic::{
    Compression, ConvertedType, GzipLevel, LogicalType, Repetition, TimeUnit, Type as Physical,
    ZstdLevel,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion,
};
use parquet::schema::types::{ColumnPath, SchemaDescPtr, SchemaDescriptor, Type};

use crate::FileShape;

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Level 1, see [`crate::compression`].
    Zstd,
    /// Level 2, see [`crate::compression`].
    Gzip,
    /// Less small than the others, and fast.
    Snappy,
    /// Not compressed.
    None,
}

/// A page ends at this size: small, because each column holds one in memory.
const PAGE: usize = 256 * 1024;

/// A dictionary of more bytes is given up: the values of the column rarely repeat.
const DICTIONARY: usize = 256 * 1024;

/// The schema of a file, and how its columns are written.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) columns: Vec<Column>,
    pub(super) descriptor: SchemaDescPtr,
    pub(super) properties: WriterPropertiesPtr,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text that is different in every row.
    Id,
    Text,
    Int,
    Time,
}

pub(super) fn kind(column: Column) -> Kind {
    match column {
        Column::MessageId => Kind::Id,
        Column::EndpointId
        | Column::InboundEndpointId
        | Column::Endpoint
        | Column::Status
        | Column::LastError => Kind::Text,
        Column::CreatedAt | Column::ReceivedAt | Column::DeliveredAt | Column::NextAttemptAt => {
            Kind::Time
        }
        Column::AttemptCount
        | Column::ResponseStatus
        | Column::ResponseLatencyMs
        | Column::TotalDeliveryMs => Kind::Int,
    }
}

/// Whether every message has a value.
pub(super) fn is_required(column: Column) -> bool {
    matches!(
        column,
        Column::MessageId
            | Column::Status
            | Column::AttemptCount
            | Column::CreatedAt
            | Column::ReceivedAt
    )
}

impl Schema {
    pub(super) fn new(shape: &FileShape, codec: Codec) -> Result<Self, ParquetError> {
        let fields = shape
            .columns
            .iter()
            .map(|column| Ok(Arc::new(field(*column)?)))
            .collect::<Result<_, ParquetError>>()?;
        let root = Type::group_type_builder("messages")
            .with_fields(fields)
            .build()?;
        Ok(Self {
            columns: shape.columns.clone(),
            descriptor: Arc::new(SchemaDescriptor::new(Arc::new(root))),
            properties: Arc::new(properties(shape, codec)?),
        })
    }
}

fn field(column: Column) -> Result<Type, ParquetError> {
    let (physical, logical, converted) = match kind(column) {
        Kind::Id | Kind::Text => (
            Physical::BYTE_ARRAY,
            Some(LogicalType::String),
            ConvertedType::UTF8,
        ),
        Kind::Int => (Physical::INT32, None, ConvertedType::NONE),
        Kind::Time => (
            Physical::INT64,
            Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
            ConvertedType::TIMESTAMP_MICROS,
        ),
    };
    let repetition = if is_required(column) {
        Repetition::REQUIRED
    } else {
        Repetition::OPTIONAL
    };
    Type::primitive_type_builder(column.as_str(), physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .with_converted_type(converted)
        .build()
}

/// Encodings that every reader knows: plain, and dictionaries where values repeat.
fn properties(shape: &FileShape, codec: Codec) -> Result<WriterProperties, ParquetError> {
    let compression = match codec {
        Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(1)?),
        Codec::Gzip => Compression::GZIP(GzipLevel::try_new(2)?),
        Codec::Snappy => Compression::SNAPPY,
        Codec::None => Compression::UNCOMPRESSED,
    };
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(compression)
        .set_data_page_size_limit(PAGE)
        .set_dictionary_page_size_limit(DICTIONARY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // It would have to be written for all row groups at the end of the file.
        .set_offset_index_disabled(true);
    for column in &shape.columns {
        let path = ColumnPath::from(column.as_str());
        if matches!(kind(*column), Kind::Id | Kind::Time) {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
        }
        // Nobody selects by the start of an error, and the URL is found by its id.
        if matches!(column, Column::LastError | Column::Endpoint) {
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(builder.build())
}
