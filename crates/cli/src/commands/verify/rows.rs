//! Counts the rows of a file by reading it whole.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use exports_domain::{Compression, FileFormat};
use flate2::bufread::GzDecoder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use zstd::stream::read::Decoder;

use super::manifest::Shape;

type Counted = Result<u64, Box<dyn Error + Send + Sync>>;

/// The number of data rows. An error says why the file is not of this shape.
pub(super) fn count(path: &Path, shape: Shape) -> Counted {
    let file = File::open(path)?;
    if shape.format == FileFormat::Parquet {
        let reader = SerializedFileReader::new(file)?;
        let rows = reader.metadata().file_metadata().num_rows();
        return Ok(rows.cast_unsigned());
    }
    let mut packed = BufReader::new(file);
    match shape.compression {
        Compression::None | Compression::Snappy => count_text(&mut packed, shape),
        // Exactly one member, and exactly one frame.
        Compression::Gzip => {
            let rows = count_text(GzDecoder::new(&mut packed), shape)?;
            at_end(&mut packed, "gzip member").map(|()| rows)
        }
        Compression::Zstd => {
            let frame = Decoder::with_buffer(&mut packed)?.single_frame();
            let rows = count_text(frame, shape)?;
            at_end(&mut packed, "zstd frame").map(|()| rows)
        }
    }
}

fn at_end(packed: &mut impl BufRead, what: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    if packed.fill_buf()?.is_empty() {
        Ok(())
    } else {
        Err(format!("something follows its {what}").into())
    }
}

fn count_text(text: impl Read, shape: Shape) -> Counted {
    match shape.format {
        FileFormat::Csv | FileFormat::Parquet => count_records(text, shape),
        FileFormat::JsonLines => count_lines(BufReader::new(text)),
    }
}

fn count_records(text: impl Read, shape: Shape) -> Counted {
    let mut reader = ReaderBuilder::new()
        .delimiter(shape.delimiter.byte())
        .has_headers(shape.has_header)
        .from_reader(text);
    let (mut record, mut rows) = (ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    Ok(rows)
}

fn count_lines(mut text: impl BufRead) -> Counted {
    let (mut rows, mut last) = (0, b'\n');
    loop {
        let bytes = text.fill_buf()?;
        let Some(&end) = bytes.last() else { break };
        rows += bytes
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .count() as u64;
        last = end;
        let length = bytes.len();
        text.consume(length);
    }
    if last == b'\n' {
        Ok(rows)
    } else {
        Err("its last line has no end".into())
    }
}
