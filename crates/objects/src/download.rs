//! Reads a file from a directory or a bucket.
//!
//! A request to a bucket has a timeout, even while a slow consumer reads the response. So the stream resumes with a new request
//! where the last one ended. The stream reads only on demand (backpressure), so memory is bounded. Dropping it ends the request.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};

use crate::error::{ErrorKind, StoreError};
use crate::local::LocalFiles;
use crate::store::Store;

const ACTION: &str = "cannot read the file";

/// A file that is open for reading.
pub struct Download {
    /// The size of the whole file, in bytes.
    pub size: u64,
    /// The requested bytes. An error ends the stream. A stream that ends without an error is complete.
    pub bytes: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl Store {
    /// Opens a file, or a non-empty range of it. [`ErrorKind::NotFound`] if the file does not exist.
    pub async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Download, StoreError> {
        let path = self.key(key)?;
        match self {
            Self::File(files) => read_local(files, &path, range).await,
            Self::S3(s3) => read_object(s3.transfer.clone(), path, range).await,
            Self::Gcs(gcs) => read_object(gcs.transfer.clone(), path, range).await,
            Self::Azure(azure) => read_object(azure.transfer.clone(), path, range).await,
        }
    }
}

async fn read_local(
    files: &LocalFiles,
    path: &Path,
    range: Option<Range<u64>>,
) -> Result<Download, StoreError> {
    let opened = files.read(path).await?;
    let size = opened.size;
    let bytes = opened.chunks(range.unwrap_or(0..size), ACTION);
    Ok(Download { size, bytes })
}

async fn read_object<T: ObjectStore>(
    client: T,
    path: Path,
    range: Option<Range<u64>>,
) -> Result<Download, StoreError> {
    let mut reader = ObjectReader {
        client,
        path,
        etag: None,
        remaining: 0..0,
        body: stream::empty().boxed(),
        has_progressed: false,
    };
    let size = reader.open(range).await?;
    let bytes = stream::try_unfold(reader, async |mut reader| {
        let next = reader.next().await?;
        Ok(next.map(|bytes| (bytes, reader)))
    });
    Ok(Download {
        size,
        bytes: bytes.boxed(),
    })
}

struct ObjectReader<T> {
    client: T,
    path: Path,
    /// Detects an object that was overwritten, although keys are never reused.
    etag: Option<String>,
    remaining: Range<u64>,
    body: BoxStream<'static, object_store::Result<Bytes>>,
    /// Whether bytes have arrived since the last request.
    has_progressed: bool,
}

impl<T: ObjectStore> ObjectReader<T> {
    /// Requests the object or a range of it. Returns the size of the whole object.
    async fn open(&mut self, range: Option<Range<u64>>) -> Result<u64, StoreError> {
        let options = GetOptions {
            if_match: self.etag.clone(),
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let found = self.client.get_opts(&self.path, options).await;
        let found = found.map_err(StoreError::store(ACTION))?;
        let size = found.meta.size;
        self.etag.clone_from(&found.meta.e_tag);
        self.remaining = found.range.clone();
        self.body = found.into_stream();
        self.has_progressed = false;
        Ok(size)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.remaining.is_empty() {
            let error = match self.body.next().await {
                Some(Ok(bytes)) => {
                    self.remaining.start += bytes.len() as u64;
                    self.has_progressed |= !bytes.is_empty();
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => StoreError::store(ACTION)(error),
                None => StoreError::new(ErrorKind::Unavailable, ACTION, "the response ended early"),
            };
            if !self.has_progressed {
                return Err(error);
            }
            self.open(Some(self.remaining.clone())).await?;
        }
        Ok(None)
    }
}
