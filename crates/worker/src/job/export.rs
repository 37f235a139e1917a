//! The work of an attempt: one snapshot is read and written as one file.

use std::collections::HashMap;
use std::sync::Arc;

use exports_database::{Claim, FinishedFile};
use exports_domain::Column;
use exports_formats::Format;
use exports_service::traces::Span;
use exports_source::Error as SourceError;
use exports_source::{EndpointUrls, Estimate, SourceSession};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::job::file_format::FileFormat;
use crate::job::read_plan::ReadPlan;
use crate::job::{AttemptError, JobError, SharedProgress};
use crate::metrics::{Phase, PhaseClock};
use crate::pipeline::export_files::ExportFiles;
use crate::pipeline::framed::FramedOutput;
use crate::pipeline::packing::StoredOutput;
use crate::pipeline::partition::SliceTarget;
use crate::pipeline::readers::{Checked, Readers, RowColumns};
use crate::pipeline::reorder_buffer;
use crate::pipeline::upload::FileUpload;

/// Slots of the reorder buffer in addition to one per reader. They compensate for a reader that is slow for
/// a moment.
const EXTRA_SLOTS: usize = 2;

/// Up to this number of endpoints, and 4 MiB of URLs, the URLs are loaded into memory. Above it, the query
/// joins the URL to each row.
const MAX_ENDPOINTS_IN_MEMORY: u16 = 2_000;

/// Up to this number of messages, one session reads alone: other sessions would need longer to join.
const SINGLE_READER_MESSAGES: u32 = 2_048;

/// Writes the messages of an export into its file. If the future is dropped, the session is closed, and the
/// caller has to abort `file`.
pub(crate) async fn write(
    context: &Context,
    claim: &Claim,
    trace: &Span,
    progress: &SharedProgress,
    files: &mut ExportFiles,
    clock: &mut PhaseClock,
) -> Result<FinishedFile, AttemptError> {
    let read_trace = context.tracer.step("read", trace);
    let session = context.sessions.begin(&claim.project, &claim.filter).await;
    let mut session = session.map_err(|error| JobError::source(&error))?;
    let snapshot_at = session.snapshot_at();
    let columns = claim.options.columns(claim.filter.direction);
    let known = urls_and_estimate(&mut session, claim, columns).await;
    let (urls, estimate) = known.map_err(|error| JobError::rows(&error))?;
    let checked = match estimate {
        Estimate::Few => Checked::AtCommit,
        Estimate::SingleStatement(_) | Estimate::Unordered | Estimate::Many { .. } => {
            Checked::AfterReading
        }
    };
    let streaming = Streaming {
        context,
        claim,
        trace,
        progress,
        files: &mut *files,
        clock: &mut *clock,
        session: &mut session,
        columns: RowColumns {
            columns: columns.to_vec(),
            url: urls.column(),
        },
        estimate,
        checked,
    };
    let (row_count, upload_trace) = match FileFormat::of(claim, urls)? {
        FileFormat::Csv(format) => streaming.run(format).await,
        FileFormat::CustomCsv(format) => streaming.run(format).await,
        FileFormat::JsonLines(format) => streaming.run(format).await,
        FileFormat::Parquet(format) => streaming.run(format).await,
    }?;
    progress.set_read();
    clock.ended(Phase::Streaming);
    match checked {
        Checked::AfterReading => {
            let confirmed = session.commit_if_unchanged().await;
            confirmed.map_err(|error| JobError::source(&error))?;
        }
        Checked::AtCommit => {
            let confirmed = session.check_and_commit(&claim.filter).await;
            confirmed.map_err(|error| JobError::rows(&error))?;
        }
    }
    context.sessions.release(session).await;
    drop(read_trace);

    let written = progress.waiting_for_store(files.finish(row_count)).await?;
    drop(upload_trace);
    clock.ended(Phase::UploadCompletion);
    Ok(FinishedFile {
        row_count,
        size_bytes: written.size_bytes,
        sha256: written.sha256,
        files: written.files,
        snapshot_at,
        ttl: context.settings.file_ttl,
    })
}

/// The URLs that the file needs, and how many messages there are.
async fn urls_and_estimate(
    session: &mut SourceSession,
    claim: &Claim,
    columns: &[Column],
) -> Result<(EndpointUrls, Estimate), SourceError> {
    let (filter, few) = (&claim.filter, SINGLE_READER_MESSAGES);
    if columns.contains(&Column::Endpoint) {
        return session
            .endpoint_urls_and_estimate(MAX_ENDPOINTS_IN_MEMORY, filter, few)
            .await;
    }
    let estimate = session.estimate(filter, few).await?;
    Ok((EndpointUrls::All(HashMap::new()), estimate))
}

/// Reading and uploading at the same time.
struct Streaming<'a> {
    context: &'a Context,
    claim: &'a Claim,
    trace: &'a Span,
    progress: &'a SharedProgress,
    files: &'a mut ExportFiles,
    clock: &'a mut PhaseClock,
    session: &'a mut SourceSession,
    columns: RowColumns,
    estimate: Estimate,
    checked: Checked,
}

impl Streaming<'_> {
    /// Writes everything except the last part of the last file. Returns the number of rows, and the span of the upload.
    async fn run<F: Format>(self, format: F) -> Result<(u64, Span), AttemptError> {
        let Self {
            context,
            claim,
            progress,
            ..
        } = self;
        let target = if F::HAS_GROUPS {
            SliceTarget::GROUP
        } else {
            SliceTarget::ROWS
        };
        let plan = ReadPlan::of(
            context,
            claim,
            progress,
            self.session,
            self.estimate,
            target,
        );
        let plan = plan.await.map_err(|error| JobError::rows(&error))?;
        let (buffer, rows) = reorder_buffer::new(usize::from(context.readers) + EXTRA_SLOTS);
        let format = Arc::new(format);
        let (first_row, first_row_read) = oneshot::channel();
        let readers = Readers::new(
            claim,
            format.clone(),
            self.columns,
            progress,
            plan.partition,
            buffer,
            first_row,
        );
        // If one side stops, its end of the reorder buffer is dropped. That stops the encoders, and they stop the
        // other side.
        let tracer = &context.tracer;
        let timing = async {
            first_row_read.await.ok().map(|()| {
                self.clock.ended(Phase::FirstRow);
                tracer.step("encode", self.trace)
            })
        };
        // The encoders end with the readers.
        let reading = async {
            let reading = readers.run(self.session, plan.joining, self.checked);
            let (read, _encode_trace) = tokio::join!(reading, timing);
            read
        };
        let upload_trace = tracer.step("upload", self.trace);
        let uploading = async {
            let mut rows = rows;
            loop {
                let framed = FramedOutput::<F>::new(format.frame(), rows);
                let mut stored = StoredOutput::new(framed, &claim.options, plan.packing_threads);
                upload(&mut stored, self.files.current(), progress).await?;
                let Some(next) = stored.into_next_file() else {
                    return Ok::<_, AttemptError>(());
                };
                progress.waiting_for_store(self.files.begin_next()).await?;
                rows = next;
            }
        };
        let (read, uploaded) = tokio::join!(reading, uploading);
        uploaded?;
        // The file is complete only if every slice was read to its end.
        Ok((read?, upload_trace))
    }
}

/// Uploads the bytes of one file.
async fn upload<F: Format>(
    stored: &mut StoredOutput<F>,
    file: &mut FileUpload,
    progress: &SharedProgress,
) -> Result<(), AttemptError> {
    while let Some(chunk) = stored.next().await? {
        progress.waiting_for_store(file.write(&chunk.bytes)).await?;
        progress.add_bytes(chunk.bytes.len());
    }
    Ok(())
}
