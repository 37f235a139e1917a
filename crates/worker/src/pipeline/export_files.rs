//! The files of one attempt: one, or several if the export is split. All of them appear together, or none does.
//!
//! Each file is recorded before anything of it is sent, so whoever ends the attempt also deletes its files. The completion
//! of the export makes all of them visible.

use std::time::Duration;

use exports_database::{Claim, file_key};
use exports_domain::{MAX_SPLIT_FILES, RowsPerFile, SplitFile, error_line};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::job::{AttemptError, JobError};
use crate::metrics::UploadOperation;
use crate::pipeline::recording::record;
use crate::pipeline::upload::FileUpload;

/// Timeout for deleting the finished files. A janitor deletes what is left in the store.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many files are deleted at the same time.
const CONCURRENT_DELETES: usize = 8;

pub(crate) struct ExportFiles {
    context: Context,
    claim: Claim,
    /// The files before the current one.
    finished: Vec<SplitFile>,
    current: FileUpload,
}

/// What is recorded about the files.
pub(crate) struct WrittenFiles {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) files: Option<Box<[SplitFile]>>,
}

impl ExportFiles {
    pub(crate) fn new(context: &Context, claim: &Claim) -> Self {
        Self {
            context: context.clone(),
            claim: claim.clone(),
            finished: Vec::new(),
            current: FileUpload::new(context, claim, 1),
        }
    }

    /// The file that is being written.
    pub(crate) fn current(&mut self) -> &mut FileUpload {
        &mut self.current
    }

    /// Finishes the current file, which is full, and begins the next one.
    pub(crate) async fn begin_next(&mut self) -> Result<(), AttemptError> {
        let max_rows = self.claim.options.max_rows_per_file();
        let rows = max_rows.map_or(0, RowsPerFile::get);
        self.finish_current(rows).await?;
        let number = u32::try_from(self.finished.len() + 1).unwrap_or(u32::MAX);
        if number > MAX_SPLIT_FILES {
            return Err(JobError::too_many_files(rows).into());
        }
        let (database, claim) = (&self.context.database, &self.claim);
        record("file", || {
            database.record_file(claim.lease, &claim.object_key, number)
        })
        .await?;
        self.current = FileUpload::new(&self.context, &self.claim, number);
        Ok(())
    }

    /// Finishes the last file. `row_count` is the number of rows in all files.
    pub(crate) async fn finish(&mut self, row_count: u64) -> Result<WrittenFiles, AttemptError> {
        if self.claim.options.max_rows_per_file().is_none() {
            let uploaded = self.current.finish().await?;
            return Ok(WrittenFiles {
                size_bytes: uploaded.size_bytes,
                sha256: uploaded.sha256,
                files: None,
            });
        }
        let before: u64 = self.finished.iter().map(|file| file.row_count).sum();
        self.finish_current(row_count - before).await?;
        let mut sha256 = Sha256::new();
        for file in &self.finished {
            sha256.update(file.sha256);
        }
        Ok(WrittenFiles {
            size_bytes: self.finished.iter().map(|file| file.size_bytes).sum(),
            sha256: sha256.finalize().into(),
            files: Some(self.finished.as_slice().into()),
        })
    }

    async fn finish_current(&mut self, row_count: u64) -> Result<(), AttemptError> {
        let uploaded = self.current.finish().await?;
        self.finished.push(SplitFile {
            row_count,
            size_bytes: uploaded.size_bytes,
            sha256: uploaded.sha256,
        });
        Ok(())
    }

    /// Aborts the current upload and deletes all files.
    pub(crate) async fn abort(self) {
        self.current.abort().await;
        let store = &self.context.store;
        let keys = (1..)
            .take(self.finished.len())
            .map(|number| file_key(&self.claim.object_key, number));
        let deletes = stream::iter(keys).map(async |key| store.delete(&key).await);
        let deletes = deletes
            .buffer_unordered(CONCURRENT_DELETES)
            .try_collect::<()>();
        let error = match tokio::time::timeout(DELETE_TIMEOUT, deletes).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error_line(&error),
            Err(_) => "timeout".to_owned(),
        };
        self.context
            .metrics
            .upload_failures
            .inc(UploadOperation::Discard);
        tracing::warn!(
            error,
            "the files could not be deleted; a janitor deletes them later"
        );
    }
}
