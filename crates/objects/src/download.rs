//! A file on its way out of the store: the same whether it lies in a directory or in a bucket.
//!
//! Owns opening it, and going on where a bucket's answer broke off: a request to a bucket ends after a while, however
//! slowly its reader takes the bytes. Only what the reader asks for is read: memory is bounded, and dropping the
//! stream ends the request.

use std::io::SeekFrom;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::error::{ErrorKind, StoreError};
use crate::local::LocalFiles;
use crate::store::Store;

/// How much of a file in a directory is in memory at a time, in bytes.
const CHUNK: usize = 256 * 1024;

const ACTION: &str = "cannot read the file";

/// A file that is open for reading.
pub struct Download {
    /// Of the whole file, in bytes.
    pub size: u64,
    /// The bytes that were asked for. After an error there are no more; without one, there were all.
    pub bytes: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl Store {
    /// Opens a file, or a part of it that is not empty, for reading. [`ErrorKind::NotFound`] if it is not there.
    pub async fn read(&self, key: &str, part: Option<Range<u64>>) -> Result<Download, StoreError> {
        let path = self.key(key)?;
        match self {
            Self::File(files) => read_local(files, &path, part).await,
            Self::S3(_) | Self::Gcs(_) | Self::Azure(_) => {
                read_object(self.clone(), path, part).await
            }
        }
    }
}

async fn read_local(
    files: &LocalFiles,
    path: &Path,
    part: Option<Range<u64>>,
) -> Result<Download, StoreError> {
    let mut opened = files.read(path).await?;
    let part = part.unwrap_or(0..opened.size);
    let seek = opened.file.seek(SeekFrom::Start(part.start)).await;
    seek.map_err(StoreError::io(ACTION))?;
    let bytes = opened.file.take(part.end.saturating_sub(part.start));
    let bytes = ReaderStream::with_capacity(bytes, CHUNK);
    let bytes = bytes.map_err(|error| StoreError::io(ACTION)(error));
    Ok(Download {
        size: opened.size,
        bytes: bytes.boxed(),
    })
}

async fn read_object(
    store: Store,
    path: Path,
    part: Option<Range<u64>>,
) -> Result<Download, StoreError> {
    let mut object = Object {
        store,
        path,
        version: None,
        left: 0..0,
        answer: stream::empty().boxed(),
        has_progressed: false,
    };
    let size = object.open(part).await?;
    let bytes = stream::try_unfold(object, async |mut object| {
        let next = object.next().await?;
        Ok(next.map(|bytes| (bytes, object)))
    });
    Ok(Download {
        size,
        bytes: bytes.boxed(),
    })
}

/// An object that is being read.
struct Object {
    store: Store,
    path: Path,
    /// Its `ETag`. A key is never written twice; if it is all the same, this tells.
    version: Option<String>,
    /// What has not come yet.
    left: Range<u64>,
    answer: BoxStream<'static, object_store::Result<Bytes>>,
    /// Something has come since the last request.
    has_progressed: bool,
}

impl Object {
    /// Requests the object, or a part of it. Gives the size of the whole.
    async fn open(&mut self, part: Option<Range<u64>>) -> Result<u64, StoreError> {
        let bucket = self.store.bulk();
        let bucket = bucket.expect("a store that is no directory is a bucket");
        let options = GetOptions {
            if_match: self.version.clone(),
            range: part.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let found = bucket.get_opts(&self.path, options).await;
        let found = found.map_err(StoreError::store(ACTION))?;
        let size = found.meta.size;
        self.version.clone_from(&found.meta.e_tag);
        self.left = found.range.clone();
        self.answer = found.into_stream();
        self.has_progressed = false;
        Ok(size)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.left.is_empty() {
            let error = match self.answer.next().await {
                Some(Ok(bytes)) => {
                    self.left.start += bytes.len() as u64;
                    self.has_progressed |= !bytes.is_empty();
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => StoreError::store(ACTION)(error),
                None => StoreError::new(ErrorKind::Unavailable, ACTION, "it ended early"),
            };
            if !self.has_progressed {
                return Err(error);
            }
            self.open(Some(self.left.clone())).await?;
        }
        Ok(None)
    }
}
