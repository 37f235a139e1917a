//! The file on its way into the object store: cut into parts, hashed, uploaded, or taken back.
//!
//! What fits into one part is a single PUT; what does not is a multipart upload, whose id is
//! recorded before its first part. Memory: one part being filled and [`IN_FLIGHT`] on their way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use exports_database::{Claim, Database, Leased};
use exports_domain::Lease;
use exports_domain::error_line;
use exports_objects::{FileHeaders, MAX_FILE_SIZE, Store, StoreError, Upload};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, JoinSet};

use crate::context::{Context, jittered};
use crate::job::{JobError, WriteError};
use crate::metrics::{UploadOperation, WorkerMetrics};
use crate::pipeline::buffer_pool::{Buffer, BufferPool};

/// Parts that are sent at the same time.
const IN_FLIGHT: usize = 2;
/// After how long an upload that could not be recorded is tried again.
const RECORD_AGAIN: Duration = Duration::from_secs(1);
/// How long to try to take back what is in the store; janitors do it otherwise.
const DISCARD_LIMIT: Duration = Duration::from_secs(5);

/// One attempt's file.
pub(crate) struct FileUpload {
    store: Store,
    database: Database,
    metrics: Arc<WorkerMetrics>,
    lease: Lease,
    key: String,
    headers: FileHeaders,
    part_size: usize,
    part: Buffer,
    buffers: BufferPool,
    parts: usize,
    upload: Option<Upload>,
    /// The upload that is being begun: see [`FileUpload::begin_upload`].
    beginning: Option<JoinHandle<Result<Upload, StoreError>>>,
    sending: JoinSet<Result<(), StoreError>>,
    /// Something of it may be in the store.
    touched: bool,
    hash: Sha256,
    size: u64,
}

/// What a whole file came to.
pub(crate) struct Written {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: [u8; 32],
}

impl FileUpload {
    pub(crate) fn new(context: &Context, claim: &Claim) -> Self {
        let name = format!("export-{}.csv", claim.lease.export);
        let part_size = context.store.part_size();
        let buffers = BufferPool::new(part_size);
        Self {
            store: context.store.clone(),
            database: context.database.clone(),
            metrics: context.metrics.clone(),
            lease: claim.lease,
            key: claim.object_key.clone(),
            headers: FileHeaders::attachment(&name),
            part_size,
            part: buffers.take_none(),
            buffers,
            parts: 0,
            upload: None,
            beginning: None,
            sending: JoinSet::new(),
            touched: false,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// Takes the file's next bytes; waits while too much is on its way.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            // A part goes out when more follows, so that what fits into one part is a single PUT.
            if self.part.len() == self.part_size {
                self.send_part().await?;
            }
            let room = self.part_size - self.part.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.make_room(now.len());
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Sends what is left and puts the file in its place.
    pub(crate) async fn finish(&mut self) -> Result<Written, WriteError> {
        if self.upload.is_none() {
            let body = std::mem::replace(&mut self.part, self.buffers.take_none());
            self.touched = true;
            self.store
                .put(&self.key, Bytes::from_owner(body), &self.headers)
                .await
                .map_err(|error| self.failed(UploadOperation::Put, &error))?;
            self.metrics.bytes_uploaded.inc_by(self.size);
        } else {
            self.send_part().await?;
            while self.one_part_sent().await? {}
            if let Some(upload) = &mut self.upload {
                let completed = upload.complete().await;
                completed.map_err(|error| self.failed(UploadOperation::Complete, &error))?;
            }
        }
        Ok(Written {
            size_bytes: self.size,
            sha256: self.hash.clone().finalize().into(),
        })
    }

    /// Takes everything of it out of the store again, as far as that can be done now.
    pub(crate) async fn discard(mut self) {
        if !self.touched {
            return;
        }
        // First the parts, so that none arrives after the upload is gone.
        self.sending.shutdown().await;
        let failures = &self.metrics.upload_failures;
        let taken_back = tokio::time::timeout(DISCARD_LIMIT, async {
            if let Some(beginning) = self.beginning.take() {
                abort_once_begun(beginning).await;
            }
            if let Some(upload) = self.upload.take() {
                upload.abort().await?;
            }
            // It may have been put in its place, by a request whose answer nobody waited for.
            self.store.delete(&self.key).await
        });
        match taken_back.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                failures.inc(UploadOperation::Discard);
                tracing::warn!(error = error_line(&error), "a janitor has to clean up");
            }
            Err(_) => {
                failures.inc(UploadOperation::Discard);
                tracing::warn!("the store is slow, a janitor has to clean up");
            }
        }
    }

    /// A small file takes the memory that it needs; any other gets that of a part at once, rather
    /// than that of a half and then that of twice as much.
    fn make_room(&mut self, length: usize) {
        const SMALL: usize = 512 * 1024;
        let length = self.part.len() + length;
        if length > SMALL && length > self.part.capacity() {
            let missing = self.part_size - self.part.len();
            self.part.reserve_exact(missing);
        }
    }

    async fn send_part(&mut self) -> Result<(), WriteError> {
        if self.parts as u64 * self.part_size as u64 >= MAX_FILE_SIZE {
            return Err(JobError::too_large(MAX_FILE_SIZE).into());
        }
        if self.upload.is_none() {
            self.begin_upload().await?;
        }
        while self.sending.len() >= IN_FLIGHT {
            self.one_part_sent().await?;
        }
        let part = std::mem::replace(&mut self.part, self.buffers.take());
        if let Some(upload) = &mut self.upload {
            self.parts += 1;
            let (length, metrics) = (part.len() as u64, self.metrics.clone());
            let sent = upload.put_part(Bytes::from_owner(part));
            self.sending.spawn(async move {
                sent.await?;
                metrics.bytes_uploaded.inc_by(length);
                Ok(())
            });
        }
        Ok(())
    }

    /// Begins it in a task of its own: if this attempt is broken off meanwhile, the store has an
    /// upload all the same, whose id is known to nobody but who reads the answer.
    async fn begin_upload(&mut self) -> Result<(), WriteError> {
        self.touched = true;
        let (store, key, headers) = (self.store.clone(), self.key.clone(), self.headers.clone());
        let begin = async move { store.begin_upload(&key, &headers).await };
        let answer = self.beginning.insert(tokio::spawn(begin)).await;
        self.beginning = None;
        let upload = answer
            .map_err(|panicked| JobError::internal(&panicked))?
            .map_err(|error| self.failed(UploadOperation::Begin, &error))?;
        let upload = self.upload.insert(upload);
        let Some(id) = upload.id().map(str::to_owned) else {
            return Ok(());
        };
        // Boxed: it is seldom needed, and large.
        Box::pin(record_upload(&self.database, self.lease, &self.key, &id)).await
    }

    /// Waits for one of the parts on their way; `false` if there is none.
    async fn one_part_sent(&mut self) -> Result<bool, WriteError> {
        match self.sending.join_next().await {
            None => Ok(false),
            Some(Ok(Ok(()))) => Ok(true),
            Some(Ok(Err(error))) => Err(self.failed(UploadOperation::Part, &error).into()),
            Some(Err(panicked)) => Err(JobError::internal(&panicked).into()),
        }
    }

    fn failed(&self, operation: UploadOperation, error: &StoreError) -> JobError {
        self.metrics.upload_failures.inc(operation);
        JobError::store(error)
    }
}

/// Records an upload. A database that fails over is asked until it answers: whoever runs the
/// attempt stops it when its lease ends.
async fn record_upload(
    database: &Database,
    lease: Lease,
    key: &str,
    id: &str,
) -> Result<(), WriteError> {
    loop {
        match database.record_upload(lease, key, id).await {
            Ok(Leased::Held(())) => return Ok(()),
            Ok(Leased::Lost) => return Err(WriteError::LeaseLost),
            Err(error) if error.is_transient() => {
                tracing::warn!(
                    error = error_line(&error),
                    "the upload could not be recorded, it is tried again"
                );
                tokio::time::sleep(jittered(RECORD_AGAIN)).await;
            }
            Err(error) => return Err(JobError::internal(&error).into()),
        }
    }
}

/// Goes on to its end when it is no longer waited for.
async fn abort_once_begun(beginning: JoinHandle<Result<Upload, StoreError>>) {
    let aborting = tokio::spawn(async move {
        if let Ok(Ok(upload)) = beginning.await
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(error = error_line(&error), "an upload could not be aborted");
        }
    });
    // A panic in it was logged by the runtime.
    aborting.await.ok();
}
