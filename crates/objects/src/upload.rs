//! An upload in parts, the same for every store.
//!
//! Owns the numbering of parts, the sizes, and the question whether an upload whose last answer was lost is complete. How
//! many parts run at once is the caller's choice; so is when to give up.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartUpload, PutMultipartOptions};

use crate::error::{ErrorKind, StoreError};
use crate::headers::FileHeaders;
use crate::local::LocalUpload;
use crate::store::Store;

/// The size of a part on its way into a bucket, in bytes. Some want all but the last equal, and none less than 5 MiB.
pub const PART_SIZE: usize = 8 * 1024 * 1024;
/// Into a directory: so much that writing it is one long stretch, and little left to write at the end.
const LOCAL_PART_SIZE: usize = 1024 * 1024;
/// The most parts that an upload into a bucket can have: S3's limit, which others share.
const MAX_PARTS: usize = 10_000;
/// The largest file, in bytes, in every store.
pub const MAX_FILE_SIZE: u64 = MAX_PARTS as u64 * PART_SIZE as u64;

/// An upload that has begun. It is neither completed nor aborted by dropping it: what is recorded of it is for that.
pub struct Upload {
    store: Store,
    key: String,
    target: Target,
    /// How many parts there are, and how many of them have arrived.
    parts: usize,
    arrived: Arc<AtomicUsize>,
    size: u64,
    completed: bool,
}

/// S3 and GCS name their uploads, so that another process can abort them; the others have a writer in this process only.
enum Target {
    Named {
        uploads: Arc<dyn MultipartStore>,
        path: Path,
        id: String,
        ids: Arc<Mutex<Vec<(usize, PartId)>>>,
    },
    Local(LocalUpload),
    Writer(Box<dyn MultipartUpload>),
}

impl Upload {
    pub(crate) async fn begin(
        store: Store,
        key: String,
        headers: &FileHeaders,
    ) -> Result<Self, StoreError> {
        const ACTION: &str = "cannot begin the upload";
        let path = store.key(&key)?;
        let options = PutMultipartOptions {
            attributes: headers.attributes(),
            ..PutMultipartOptions::default()
        };
        let target = if let Some(uploads) = store.bulk_uploads() {
            let id = uploads
                .create_multipart_opts(&path, options)
                .await
                .map_err(StoreError::store(ACTION))?;
            let ids = Arc::default();
            Target::Named {
                uploads,
                path,
                id,
                ids,
            }
        } else if let Store::File(files) = &store {
            Target::Local(files.begin(&path).await?)
        } else {
            let bucket = store
                .bulk()
                .expect("a store that is no directory is a bucket");
            let writer = bucket.put_multipart_opts(&path, options).await;
            Target::Writer(writer.map_err(StoreError::store(ACTION))?)
        };
        Ok(Self {
            store,
            key,
            target,
            parts: 0,
            arrived: Arc::default(),
            size: 0,
            completed: false,
        })
    }

    /// What [`Store::abort_upload`] needs, where uploads have names (S3, GCS). Record it before the first part.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.target {
            Target::Named { id, .. } => Some(id),
            Target::Local(_) | Target::Writer(_) => None,
        }
    }

    /// The next part, [`Store::part_size`] long unless it is the last. Its place is that of this call; the future does the work, and
    /// several may run at once. A part that failed cannot be sent again: the upload has failed.
    pub fn put_part(&mut self, data: Bytes) -> BoxFuture<'static, Result<(), StoreError>> {
        const ACTION: &str = "cannot upload a part";
        if self.parts as u64 * self.store.part_size() as u64 >= MAX_FILE_SIZE {
            let error = StoreError::new(
                ErrorKind::Invalid,
                ACTION,
                "the upload has as many parts as it can have",
            );
            return future::err(error).boxed();
        }
        let number = self.parts;
        self.parts += 1;
        self.size += data.len() as u64;
        let sent = match &mut self.target {
            Target::Named {
                uploads,
                path,
                id,
                ids,
            } => {
                let (uploads, path, id, ids) =
                    (uploads.clone(), path.clone(), id.clone(), ids.clone());
                let sent = async move {
                    let part = uploads.put_part(&path, &id, number, data.into()).await;
                    let part = part.map_err(StoreError::store(ACTION))?;
                    ids.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, part));
                    Ok(())
                };
                sent.boxed()
            }
            Target::Local(local) => local.put_part(data).boxed(),
            Target::Writer(writer) => {
                let sent = writer.put_part(data.into());
                async move { sent.await.map_err(StoreError::store(ACTION)) }.boxed()
            }
        };
        let arrived = Arc::clone(&self.arrived);
        let counted = async move {
            sent.await?;
            arrived.fetch_add(1, Ordering::AcqRel);
            Ok(())
        };
        counted.boxed()
    }

    /// Puts the parts together; from then on the file is there. Once it has succeeded it does nothing.
    ///
    /// If the answer is an error, the file may be there all the same: an answer got lost, and the repeated request found no
    /// upload any more. Since a key is never used twice, a file of exactly the size that was sent settles it.
    pub async fn complete(&mut self) -> Result<(), StoreError> {
        const ACTION: &str = "cannot complete the upload";
        if self.completed {
            return Ok(());
        }
        // A directory would take a gap for zeros.
        if self.arrived.load(Ordering::Acquire) != self.parts {
            return Err(StoreError::new(
                ErrorKind::Invalid,
                ACTION,
                "a part is missing",
            ));
        }
        let done = match &mut self.target {
            Target::Named {
                uploads,
                path,
                id,
                ids,
            } => {
                let mut parts = ids.lock().unwrap_or_else(PoisonError::into_inner).clone();
                parts.sort_unstable_by_key(|(number, _)| *number);
                let parts = parts.into_iter().map(|(_, part)| part).collect();
                let done = uploads.complete_multipart(path, id, parts).await;
                done.map(drop).map_err(StoreError::store(ACTION))
            }
            Target::Local(local) => local.complete().await,
            Target::Writer(writer) => {
                let done = writer.complete().await;
                done.map(drop).map_err(StoreError::store(ACTION))
            }
        };
        if done.is_err() && !is_there(&self.store, &self.key, self.size).await {
            return done;
        }
        self.completed = true;
        Ok(())
    }

    /// Abandons the upload. Parts still on their way may arrive after it: drop their futures first. A file that was completed
    /// stays: whoever does not want it deletes its key.
    pub async fn abort(self) -> Result<(), StoreError> {
        let Self {
            store, key, target, ..
        } = self;
        let id = match target {
            Target::Named { id, .. } => Some(id),
            Target::Local(_) => None,
            Target::Writer(mut writer) => {
                // Only makes the writer forget its file; what counts is that nothing is left, which comes next.
                let _ = writer.abort().await;
                None
            }
        };
        store.abort_upload(&key, id.as_deref()).await
    }
}

impl Store {
    /// The size of every part of an upload but the last, in bytes.
    #[must_use]
    pub fn part_size(&self) -> usize {
        match self {
            Self::File(_) => LOCAL_PART_SIZE,
            Self::S3(_) | Self::Gcs(_) | Self::Azure(_) => PART_SIZE,
        }
    }
}

/// A free function: the future of a method would hold all of the upload, whose writer is not `Sync`.
async fn is_there(store: &Store, key: &str, size: u64) -> bool {
    // A directory loses no answers; an error there can mean that the file is not safely on disk.
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
