//! Reads a file in chunks.
//!
//! `tokio::fs` with a `ReaderStream` holds every chunk twice. A slow consumer holds two chunks for minutes: one that it is
//! reading, and the next one. So chunks are small, and each is read by one call on a thread for blocking work.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use crate::error::StoreError;

/// The size of a chunk, in bytes. Two of them are the memory of one download.
pub(super) const CHUNK_SIZE: u64 = 32 * 1024;

/// A file that is open for reading.
#[derive(Debug)]
pub(crate) struct LocalFile {
    /// Stays readable when the file is deleted.
    pub(super) file: File,
    /// In bytes.
    pub(crate) size: u64,
}

impl LocalFile {
    /// The bytes of a range. Each chunk is read when it is asked for. The stream ends early if the file does.
    pub(crate) fn chunks(
        self,
        range: Range<u64>,
        action: &'static str,
    ) -> BoxStream<'static, Result<Bytes, StoreError>> {
        let reader = Reader {
            file: self.file,
            range,
            is_at_start: false,
        };
        stream::try_unfold(reader, async |mut reader| {
            if reader.range.is_empty() {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let chunk = reader.next()?;
                Ok::<_, io::Error>((chunk, reader))
            });
            // The task does not panic. The runtime ends it only when the process ends.
            let (chunk, reader) = read.await.map_err(io::Error::other)??;
            Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), reader)))
        })
        .map_err(move |error: io::Error| StoreError::io(action)(error))
        .boxed()
    }
}

struct Reader {
    file: File,
    /// What is not read yet.
    range: Range<u64>,
    is_at_start: bool,
}

impl Reader {
    fn next(&mut self) -> io::Result<Vec<u8>> {
        if !self.is_at_start {
            self.file.seek(SeekFrom::Start(self.range.start))?;
            self.is_at_start = true;
        }
        let size = CHUNK_SIZE.min(self.range.end - self.range.start);
        let mut chunk = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        (&self.file).take(size).read_to_end(&mut chunk)?;
        self.range.start += chunk.len() as u64;
        Ok(chunk)
    }
}
