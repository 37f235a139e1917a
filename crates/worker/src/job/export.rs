//! The work of an attempt: one snapshot is read and written as one file.

use exports_database::{Claim, FinishedFile};
use exports_formats::RowFormat;
use exports_formats::csv::CsvWriter;
use exports_service::traces::Span;
use exports_source::Error as SourceError;
use exports_source::{Estimate, SourceSession, TimeSlice};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::job::{AttemptError, JobError, SharedProgress};
use crate::metrics::{Phase, PhaseClock};
use crate::pipeline::partition::TimePartition;
use crate::pipeline::readers::{Checked, JoiningReaders, Readers};
use crate::pipeline::reorder_buffer::{self, OrderedOutput};
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
    file: &mut FileUpload,
    clock: &mut PhaseClock,
) -> Result<FinishedFile, AttemptError> {
    let tracer = &context.tracer;
    let read_trace = tracer.step("read", trace);
    let source = |error: SourceError| JobError::rows(&error);
    let session = context.sessions.begin(&claim.project, &claim.filter).await;
    let mut session = session.map_err(|error| JobError::source(&error))?;
    let snapshot_at = session.snapshot_at();
    let known = session
        .endpoint_urls_and_estimate(
            MAX_ENDPOINTS_IN_MEMORY,
            &claim.filter,
            SINGLE_READER_MESSAGES,
        )
        .await;
    let (urls, estimate) = known.map_err(source)?;
    let checked = match estimate {
        Estimate::Few => Checked::AtCommit,
        Estimate::SingleStatement(_) | Estimate::Unordered | Estimate::Many { .. } => {
            Checked::AfterReading
        }
    };
    let (partition, joining) = plan(context, claim, progress, &mut session, estimate)
        .await
        .map_err(source)?;
    let (buffer, rows) = reorder_buffer::new(usize::from(context.readers) + EXTRA_SLOTS);
    let (first_row, first_row_read) = oneshot::channel();
    let readers = Readers::new(claim, urls, progress, partition, buffer, first_row);
    // If one side stops, its end of the reorder buffer is dropped. That stops the encoders, and they stop the
    // other side.
    let timing = async {
        first_row_read.await.ok().map(|()| {
            clock.ended(Phase::FirstRow);
            tracer.step("encode", trace)
        })
    };
    // The encoders end with the readers.
    let reading = async {
        let reading = readers.run(&mut session, joining, checked);
        let (read, _encode_trace) = tokio::join!(reading, timing);
        read
    };
    let upload_trace = tracer.step("upload", trace);
    let uploading = upload(rows, claim, file, progress);
    let (read, uploaded) = tokio::join!(reading, uploading);
    uploaded?;
    // The file is complete only if every slice was read to its end.
    let row_count = read?;
    progress.set_read();
    clock.ended(Phase::Streaming);
    match checked {
        Checked::AfterReading => {
            let confirmed = session.commit_if_unchanged().await;
            confirmed.map_err(|error| JobError::source(&error))?;
        }
        Checked::AtCommit => {
            let confirmed = session.check_and_commit(&claim.filter).await;
            confirmed.map_err(source)?;
        }
    }
    context.sessions.release(session).await;
    drop(read_trace);

    let uploaded = progress.waiting_for_store(file.finish()).await?;
    drop(upload_trace);
    clock.ended(Phase::UploadCompletion);
    Ok(FinishedFile {
        row_count,
        size_bytes: uploaded.size_bytes,
        sha256: uploaded.sha256,
        snapshot_at,
        ttl: context.settings.file_ttl,
    })
}

/// Writes header, rows and end of the file.
async fn upload(
    mut rows: OrderedOutput,
    claim: &Claim,
    file: &mut FileUpload,
    progress: &SharedProgress,
) -> Result<(), AttemptError> {
    let header = CsvWriter::header(claim.filter.direction);
    progress.waiting_for_store(file.write(&header)).await?;
    progress.add_bytes(header.len());
    while let Some(chunk) = rows.next().await {
        progress.waiting_for_store(file.write(&chunk.bytes)).await?;
        progress.add_bytes(chunk.bytes.len());
    }
    let end = CsvWriter::END_OF_FILE;
    progress.waiting_for_store(file.write(end)).await?;
    progress.add_bytes(end.len());
    Ok(())
}

/// Decides how to read the export: in one statement, or in slices by several readers.
async fn plan(
    context: &Context,
    claim: &Claim,
    progress: &SharedProgress,
    session: &mut SourceSession,
    estimate: Estimate,
) -> Result<(TimePartition, Option<JoiningReaders>), SourceError> {
    let whole = TimePartition::whole(TimeSlice::whole(&claim.filter.range));
    let readers = context.readers;
    // Few messages are read before anything is reported.
    if estimate != Estimate::Few
        && let Some(rows) = session.planned_rows(&claim.filter).await?
    {
        progress.set_planned_rows(rows);
    }
    match estimate {
        Estimate::Few | Estimate::Unordered => Ok((whole, None)),
        Estimate::SingleStatement(reason) => {
            tracing::info!(
                reason,
                "one statement reads all messages: another session or statement could see a different \
                 state of the source"
            );
            Ok((whole, None))
        }
        Estimate::Many { extent, sample } => {
            let partition = TimePartition::slices(extent, sample, readers);
            let count = readers.saturating_sub(1);
            if count == 0 {
                return Ok((partition, None));
            }
            let joining = JoiningReaders {
                count,
                sessions: context.sessions.clone(),
                snapshot: session.export_snapshot().await?,
            };
            Ok((partition, Some(joining)))
        }
    }
}
