//! A multipart upload, the same for every store.
//!
//! The caller decides how many parts are sent concurrently, and when to abort.

mod multipart;
mod part_sizes;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use object_store::{MultipartUpload, ObjectStore, PutMultipartOptions};

use crate::error::{ErrorKind, StoreError};
use crate::headers::FileHeaders;
use crate::local::LocalUpload;
use crate::store::Store;
use multipart::Multipart;

pub use part_sizes::{
    MAX_FILE_SIZE, MAX_UPLOAD_MEMORY, MIN_UPLOAD_MEMORY, PART_SIZE, PartLimits, PartSizes,
};

/// What fails when an upload cannot begin.
const BEGIN: &str = "cannot begin the upload";

/// An upload that has begun. Dropping it neither completes nor aborts it: use its recorded key and id to abort it.
pub struct Upload {
    store: Store,
    key: String,
    target: Target,
    limits: PartLimits,
    /// The number of parts that were passed to `put_part`.
    parts: usize,
    /// The number of parts that are stored.
    stored_parts: Arc<AtomicUsize>,
    size: u64,
    is_completed: bool,
}

enum Target {
    /// S3 and GCS. Uploads have ids, so that another process can abort them.
    Multipart(Multipart),
    Local(LocalUpload),
    /// Azure.
    Writer(Box<dyn MultipartUpload>),
}

impl Store {
    /// Begins an upload in parts. The caller records [`Upload::id`] before it sends the first part.
    pub async fn begin_upload(
        &self,
        key: &str,
        headers: &FileHeaders,
    ) -> Result<Upload, StoreError> {
        Ok(Upload {
            target: Target::begin(self, key, headers).await?,
            limits: self.part_limits(),
            store: self.clone(),
            key: key.to_owned(),
            parts: 0,
            stored_parts: Arc::default(),
            size: 0,
            is_completed: false,
        })
    }

    /// What the store allows for the parts of an upload.
    #[must_use]
    pub fn part_limits(&self) -> PartLimits {
        match self {
            Self::File(_) => PartLimits::LOCAL,
            Self::S3(s3) if s3.needs_equal_parts => PartLimits::EQUAL,
            Self::S3(_) | Self::Gcs(_) => PartLimits::S3,
            Self::Azure(_) => PartLimits::AZURE,
        }
    }

    /// The sizes of the parts of an upload that has `memory` bytes for them.
    #[must_use]
    pub fn part_sizes(&self, memory: u64) -> PartSizes {
        PartSizes::new(self.part_limits(), memory)
    }
}

impl Target {
    async fn begin(store: &Store, key: &str, headers: &FileHeaders) -> Result<Self, StoreError> {
        let path = store.key(key)?;
        let options = PutMultipartOptions {
            attributes: headers.attributes(),
            ..PutMultipartOptions::default()
        };
        match store {
            Store::S3(s3) => Multipart::begin(s3.transfer.clone(), path, options)
                .await
                .map(Self::Multipart),
            Store::Gcs(gcs) => Multipart::begin(gcs.transfer.clone(), path, options)
                .await
                .map(Self::Multipart),
            Store::Azure(azure) => {
                let writer = azure.transfer.put_multipart_opts(&path, options).await;
                Ok(Self::Writer(writer.map_err(StoreError::store(BEGIN))?))
            }
            Store::File(files) => Ok(Self::Local(files.begin(&path).await?)),
        }
    }
}

impl Upload {
    /// The upload id for [`Store::abort_upload`], if the store has upload ids (S3, GCS). Record it before the first part.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.target {
            Target::Multipart(multipart) => Some(multipart.id()),
            Target::Local(_) | Target::Writer(_) => None,
        }
    }

    /// Adds the next part. [`Store::part_sizes`] says how long it is, unless it is the last. The order of the calls is the order of
    /// the parts. The returned futures send the parts and may run concurrently. After a failed part the upload has failed.
    pub fn put_part(&mut self, data: Bytes) -> BoxFuture<'static, Result<(), StoreError>> {
        const ACTION: &str = "cannot upload a part";
        let has_all_parts = |parts| self.parts as u64 >= u64::from(parts);
        if self.limits.parts.is_some_and(has_all_parts) {
            let reason = "the upload has the maximum number of parts";
            return future::err(StoreError::new(ErrorKind::Invalid, ACTION, reason)).boxed();
        }
        let number = self.parts;
        self.parts += 1;
        self.size += data.len() as u64;
        let stored = match &mut self.target {
            Target::Multipart(multipart) => multipart.put_part(number, data, ACTION),
            Target::Local(local) => local.put_part(data).boxed(),
            Target::Writer(writer) => {
                let stored = writer.put_part(data.into());
                async move { stored.await.map_err(StoreError::store(ACTION)) }.boxed()
            }
        };
        let stored_parts = Arc::clone(&self.stored_parts);
        let counted = async move {
            stored.await?;
            stored_parts.fetch_add(1, Ordering::AcqRel);
            Ok(())
        };
        counted.boxed()
    }

    /// Completes the upload: the file exists from then on. A second call does nothing.
    ///
    /// After an error the file may still exist: the response was lost, and the retried request found no upload. Keys are never
    /// reused, so a file with exactly the size that was sent means that the upload is complete.
    pub async fn complete(&mut self) -> Result<(), StoreError> {
        const ACTION: &str = "cannot complete the upload";
        if self.is_completed {
            return Ok(());
        }
        // A directory would fill a gap with zeros.
        if self.stored_parts.load(Ordering::Acquire) != self.parts {
            let reason = "a part is missing";
            return Err(StoreError::new(ErrorKind::Invalid, ACTION, reason));
        }
        let completed = match &mut self.target {
            Target::Multipart(multipart) => {
                let completed = multipart.complete().await;
                completed.map_err(StoreError::store(ACTION))
            }
            Target::Local(local) => local.complete().await,
            Target::Writer(writer) => {
                let completed = writer.complete().await;
                completed.map(drop).map_err(StoreError::store(ACTION))
            }
        };
        if completed.is_err() && !exists(&self.store, &self.key, self.size).await {
            return completed;
        }
        self.is_completed = true;
        Ok(())
    }

    /// Aborts the upload. Drop the futures of its parts first, or their parts may arrive afterwards. A completed file stays.
    pub async fn abort(self) -> Result<(), StoreError> {
        let Self {
            store, key, target, ..
        } = self;
        let id = match target {
            Target::Multipart(multipart) => Some(multipart.id().to_owned()),
            Target::Local(_) => None,
            Target::Writer(mut writer) => {
                // This only releases the writer's memory. `abort_upload` removes what is stored.
                let _ = writer.abort().await;
                None
            }
        };
        store.abort_upload(&key, id.as_deref()).await
    }
}

/// A free function, because the future of a method would hold the upload, whose writer is not `Sync`.
async fn exists(store: &Store, key: &str, size: u64) -> bool {
    // A directory loses no responses. Its errors may mean that the file is not safely on disk.
    store.signs() && store.size(key).await.ok().flatten() == Some(size)
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("store", &self.store)
            .field("key", &self.key)
            .field("parts", &self.parts)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
