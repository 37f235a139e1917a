//! Which writer an export needs.

use std::collections::HashMap;
use std::sync::Arc;

use exports_database::Claim;
use exports_domain::{
    Column, Compression, CsvOptions, Direction, FileFormat as Name, FileOptions, FileTimeZone,
};
use exports_formats::csv::{CsvWriter, CustomCsvWriter, EndpointFields};
use exports_formats::json_lines::JsonLinesWriter;
use exports_formats::parquet::{Codec, Parquet};
use exports_formats::{FileShape, WriteError};
use exports_source::EndpointUrls;
use uuid::Uuid;

use crate::job::JobError;
use crate::pipeline::encode_error::EncodeError;

/// The format of an export's file. The pipeline is generic over each.
pub(crate) enum FileFormat {
    /// CSV without options, which costs least.
    Csv(CsvWriter),
    CustomCsv(CustomCsvWriter),
    JsonLines(JsonLinesWriter),
    Parquet(Parquet),
}

impl FileFormat {
    pub(crate) fn of(claim: &Claim, urls: EndpointUrls) -> Result<Self, JobError> {
        let (options, direction) = (&claim.options, claim.filter.direction);
        let urls = known(urls);
        if is_plain_csv(options, direction) {
            let endpoints = urls.map_or_else(EndpointFields::from_rows, |urls| {
                EndpointFields::known(direction, urls)
            });
            return Ok(Self::Csv(CsvWriter::new(direction, Arc::new(endpoints))));
        }
        let shape = FileShape::new(options, direction);
        Ok(match options.format() {
            Name::Csv => Self::CustomCsv(CustomCsvWriter::new(&shape, options.csv(), urls)),
            Name::JsonLines => Self::JsonLines(JsonLinesWriter::new(&shape, urls)),
            Name::Parquet => {
                let parquet = Parquet::new(&shape, codec(options.compression()), urls);
                let internal = |error: WriteError| JobError::from(EncodeError::from(error));
                Self::Parquet(parquet.map_err(internal)?)
            }
        })
    }
}

fn known(urls: EndpointUrls) -> Option<HashMap<Uuid, String>> {
    match urls {
        EndpointUrls::All(urls) => Some(urls),
        EndpointUrls::InRows => None,
    }
}

/// Whether the bytes before compression are those of a file without options.
fn is_plain_csv(options: &FileOptions, direction: Direction) -> bool {
    options.format() == Name::Csv
        && options.columns(direction) == Column::all_of(direction)
        && options.timezone() == FileTimeZone::UTC
        && options.csv() == CsvOptions::default()
}

fn codec(compression: Compression) -> Codec {
    match compression {
        Compression::None => Codec::None,
        Compression::Gzip => Codec::Gzip,
        Compression::Zstd => Codec::Zstd,
        Compression::Snappy => Codec::Snappy,
    }
}
