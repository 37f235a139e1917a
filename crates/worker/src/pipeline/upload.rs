//! Uploads the file: cuts it into parts, hashes it, and aborts it if the attempt fails.
//!
//! A file that fits into one part is a single PUT. Any other is a multipart upload, whose id is recorded
//! before its first part. Memory is bounded by `EXPORTS_UPLOAD_MEMORY`: one part is filled, and the others are
//! sent. `in_flight` decides how many, and [`PartSizes`] how long they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use exports_database::{Claim, Database, file_key};
use exports_domain::{Lease, error_line};
use exports_objects::{FileHeaders, PartSizes, Store, StoreError, Upload};
use sha2::{Digest, Sha256};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::context::Context;
use crate::job::{AttemptError, JobError};
use crate::metrics::{UploadOperation, WorkerMetrics};
use crate::pipeline::buffer_pool::{Buffer, BufferPool};
use crate::pipeline::in_flight::InFlight;
use crate::pipeline::recording::record;

/// Timeout of an abort. A janitor deletes what is left in the store.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// A file of one attempt.
pub(crate) struct FileUpload {
    store: Store,
    database: Database,
    metrics: Arc<WorkerMetrics>,
    lease: Lease,
    key: String,
    /// The key of the attempt's first file, by which the upload is recorded.
    first_key: String,
    headers: FileHeaders,
    /// How many bytes all parts in memory may have.
    memory: usize,
    part_sizes: PartSizes,
    /// The part that is being filled, and its intended size.
    part: Buffer,
    part_size: usize,
    buffers: BufferPool,
    /// The number of parts before it.
    parts: usize,
    upload: Option<Upload>,
    /// The request that creates it: see [`FileUpload::create_upload`].
    creating: Option<JoinHandle<Result<Upload, StoreError>>>,
    /// The request that makes the file exist: see [`FileUpload::finish`].
    finishing: Option<JoinHandle<Finished>>,
    in_flight: JoinSet<Result<SentPart, StoreError>>,
    bytes_in_flight: usize,
    limit: InFlight,
    /// A request was sent, so the store may have something of the file.
    is_started: bool,
    hash: Sha256,
    size: u64,
}

struct SentPart {
    length: usize,
    took: Duration,
}

/// The answer to the last request, and the upload if there is one.
type Finished = (Option<Upload>, Result<(), StoreError>);

pub(crate) struct UploadedFile {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: [u8; 32],
}

impl FileUpload {
    /// The file with this number, from 1.
    pub(crate) fn new(context: &Context, claim: &Claim, number: u32) -> Self {
        let (options, export) = (&claim.options, claim.lease.export);
        let name = match options.max_rows_per_file() {
            None => options.file_name(export),
            Some(_) => options.split_file_name(export, number),
        };
        let memory = context.settings.upload_memory.bytes();
        let part_sizes = context.store.part_sizes(memory);
        let part_size = part_sizes.size(0);
        let buffers = BufferPool::new(part_size);
        Self {
            store: context.store.clone(),
            database: context.database.clone(),
            metrics: context.metrics.clone(),
            lease: claim.lease,
            key: file_key(&claim.object_key, number),
            first_key: claim.object_key.clone(),
            headers: FileHeaders::attachment(&name, options.media_type()),
            memory: usize::try_from(memory).unwrap_or(usize::MAX),
            part_sizes,
            part: buffers.take_unallocated(),
            part_size,
            buffers,
            parts: 0,
            upload: None,
            creating: None,
            finishing: None,
            in_flight: JoinSet::new(),
            bytes_in_flight: 0,
            limit: InFlight::new(),
            is_started: false,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// Appends bytes to the file. Waits while as many parts are in flight as the store takes, or as fit into
    /// the memory (backpressure).
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), AttemptError> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            // A full part is sent only when more bytes follow: what fits into one part is a single PUT.
            if self.part.len() == self.part_size {
                self.send_part().await?;
            }
            let free = self.part_size - self.part.len();
            let (now, later) = bytes.split_at(free.min(bytes.len()));
            self.reserve(now.len());
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Sends the rest and completes the upload.
    ///
    /// The last request runs in a separate task. If the attempt stops during it, the store may process it
    /// anyway, and a file that is deleted before that would come back. So [`FileUpload::abort`] waits for it.
    pub(crate) async fn finish(&mut self) -> Result<UploadedFile, AttemptError> {
        if self.upload.is_none() {
            let part = std::mem::replace(&mut self.part, self.buffers.take_unallocated());
            let body = Bytes::from_owner(part);
            self.is_started = true;
            let (store, key, headers) =
                (self.store.clone(), self.key.clone(), self.headers.clone());
            let put = async move { (None, store.put(&key, body, &headers).await) };
            self.run_last_request(UploadOperation::Put, put).await?;
            self.metrics.bytes_uploaded.inc_by(self.size);
        } else {
            self.send_part().await?;
            while let Some(sent) = self.in_flight.join_next().await {
                self.sent(sent)?;
            }
            if let Some(mut upload) = self.upload.take() {
                let complete = async move {
                    let completed = upload.complete().await;
                    (Some(upload), completed)
                };
                self.run_last_request(UploadOperation::Complete, complete)
                    .await?;
            }
        }
        Ok(UploadedFile {
            size_bytes: self.size,
            sha256: self.hash.clone().finalize().into(),
        })
    }

    async fn run_last_request(
        &mut self,
        operation: UploadOperation,
        request: impl Future<Output = Finished> + Send + 'static,
    ) -> Result<(), AttemptError> {
        let answer = self.finishing.insert(tokio::spawn(request)).await;
        self.finishing = None;
        let (upload, finished) = answer.map_err(|panicked| JobError::internal(&panicked))?;
        self.upload = upload;
        Ok(finished.map_err(|error| self.failed(operation, &error))?)
    }

    /// Aborts the upload and deletes the object, within [`ABORT_TIMEOUT`].
    pub(crate) async fn abort(mut self) {
        if !self.is_started {
            return;
        }
        // The parts first, so that none arrives after the abort.
        self.in_flight.shutdown().await;
        let aborted = tokio::time::timeout(ABORT_TIMEOUT, async {
            if let Some(creating) = self.creating.take() {
                abort_once_created(creating).await;
            }
            if let Some(finishing) = self.finishing.take()
                && let Ok((upload, _)) = finishing.await
            {
                self.upload = upload;
            }
            if let Some(upload) = self.upload.take() {
                upload.abort().await?;
            }
            // A request whose answer was not awaited may have completed the object.
            self.store.delete(&self.key).await
        });
        let error = match aborted.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error_line(&error),
            Err(_) => "timeout".to_owned(),
        };
        self.metrics.upload_failures.inc(UploadOperation::Discard);
        tracing::warn!(
            error,
            "the upload could not be aborted; a janitor deletes it later"
        );
    }

    /// Reserves the memory of a whole part as soon as the file is not small: growing by doubling would
    /// need more. A small file uses only what it needs.
    fn reserve(&mut self, length: usize) {
        const SMALL: usize = 512 * 1024;
        let length = self.part.len() + length;
        if length > SMALL && length > self.part.capacity() {
            let missing = self.part_size - self.part.len();
            self.part.reserve_exact(missing);
        }
    }

    async fn send_part(&mut self) -> Result<(), AttemptError> {
        self.check_size()?;
        if self.upload.is_none() {
            self.create_upload().await?;
        }
        let next_size = self.part_sizes.size(self.parts + 1);
        self.wait_to_send(next_size).await?;
        if next_size != self.part_size {
            self.buffers.retire();
            self.buffers = BufferPool::new(next_size);
            self.part_size = next_size;
        }
        let part = std::mem::replace(&mut self.part, self.buffers.take());
        if let Some(upload) = &mut self.upload {
            self.parts += 1;
            let (length, metrics) = (part.len(), self.metrics.clone());
            let sent = upload.put_part(Bytes::from_owner(part));
            self.bytes_in_flight += length;
            self.in_flight.spawn(async move {
                let began = Instant::now();
                sent.await?;
                metrics.bytes_uploaded.inc_by(length as u64);
                let took = began.elapsed();
                Ok(SentPart { length, took })
            });
        }
        Ok(())
    }

    /// The last part may be shorter than intended, so the file has at most the maximum size.
    fn check_size(&self) -> Result<(), JobError> {
        let max = self.part_sizes.max_file_size();
        if self.size <= max {
            return Ok(());
        }
        Err(JobError::too_large(max, self.memory as u64))
    }

    /// Waits until the full part may be sent, and the next one filled.
    async fn wait_to_send(&mut self, next_size: usize) -> Result<(), AttemptError> {
        // Also notices failed parts early.
        while let Some(sent) = self.in_flight.try_join_next() {
            let sent = self.sent(sent)?;
            self.limit.sent(sent.took);
        }
        loop {
            let count = self.in_flight.len();
            let bytes = self.bytes_in_flight + self.part.len() + next_size;
            let is_limited = count >= self.limit.limit();
            if count == 0 || (bytes <= self.memory && !is_limited) {
                return Ok(());
            }
            let Some(sent) = self.in_flight.join_next().await else {
                return Ok(());
            };
            let sent = self.sent(sent)?;
            if is_limited {
                let max = self.max_in_flight(next_size);
                self.limit.sent_while_rows_waited(sent.took, count, max);
            } else {
                self.limit.sent(sent.took);
            }
        }
    }

    /// How many parts of this size can be in flight while another one is filled.
    fn max_in_flight(&self, part_size: usize) -> usize {
        let in_memory = self.memory / part_size.max(1);
        let max = self.part_sizes.max_in_flight();
        in_memory.saturating_sub(1).min(max)
    }

    /// Creates the multipart upload in a separate task. If the attempt stops during the request, the store
    /// may have created it anyway, and only the answer contains the id that is needed to abort it.
    async fn create_upload(&mut self) -> Result<(), AttemptError> {
        self.is_started = true;
        let (store, key, headers) = (self.store.clone(), self.key.clone(), self.headers.clone());
        let create = async move { store.begin_upload(&key, &headers).await };
        let answer = self.creating.insert(tokio::spawn(create)).await;
        self.creating = None;
        let upload = answer
            .map_err(|panicked| JobError::internal(&panicked))?
            .map_err(|error| self.failed(UploadOperation::Begin, &error))?;
        let upload = self.upload.insert(upload);
        let Some(id) = upload.id().map(str::to_owned) else {
            return Ok(());
        };
        let (database, lease, key) = (&self.database, self.lease, &self.first_key);
        // Boxed: the future is large and seldom needed.
        Box::pin(record("upload", || database.record_upload(lease, key, &id))).await
    }

    fn sent(
        &mut self,
        sent: Result<Result<SentPart, StoreError>, JoinError>,
    ) -> Result<SentPart, JobError> {
        let sent = sent.map_err(|panicked| JobError::internal(&panicked))?;
        let sent = sent.map_err(|error| self.failed(UploadOperation::Part, &error))?;
        self.bytes_in_flight -= sent.length;
        Ok(sent)
    }

    fn failed(&self, operation: UploadOperation, error: &StoreError) -> JobError {
        self.metrics.upload_failures.inc(operation);
        JobError::store(error)
    }
}

/// Aborts an upload as soon as it is created. The task continues after the caller's timeout.
async fn abort_once_created(creating: JoinHandle<Result<Upload, StoreError>>) {
    let aborting = tokio::spawn(async move {
        if let Ok(Ok(upload)) = creating.await
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(error = error_line(&error), "an upload could not be aborted");
        }
    });
    // The runtime has logged a panic of the task.
    aborting.await.ok();
}
