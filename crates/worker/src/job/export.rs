//! The work itself: one export is one snapshot is one file.

use exports_database::{Claim, FinishedFile};
use exports_source::Error as SourceError;
use exports_source::{Estimate, SourceSession, TimeSlice};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::job::Counters;
use crate::job::{JobError, WriteError};
use crate::metrics::{Phase, PhaseClock};
use crate::pipeline::partition::TimePartition;
use crate::pipeline::readers::{Joining, Reading};
use crate::pipeline::reorder_buffer;
use crate::pipeline::upload::FileUpload;
use exports_formats::csv;

/// Slices that can wait for their turns besides those that are being read: so many evens out that
/// one reader is slower for a moment.
const AHEAD: usize = 2;

/// Projects with more endpoints than this have the URL joined to each row instead of a map of all
/// in memory.
const MOST_ENDPOINTS: u16 = 2_000;

/// So many messages the session reads itself: they are read sooner than others have joined it.
const FEW: u32 = 2_048;

/// Streams the messages of an export into its file. Dropping it midway leaves `file` to be
/// discarded and closes the session.
pub(crate) async fn write(
    context: &Context,
    claim: &Claim,
    progress: &Counters,
    file: &mut FileUpload,
    clock: &mut PhaseClock,
) -> Result<FinishedFile, WriteError> {
    let source = |error: SourceError| JobError::rows(&error);
    let session = context.sessions.begin(&claim.project, &claim.filter).await;
    let mut session = session.map_err(|error| JobError::source(&error))?;
    let urls = session
        .endpoint_urls(claim.filter.direction, MOST_ENDPOINTS)
        .await
        .map_err(source)?;

    let (slicer, joining) = plan(context, claim, &mut session).await.map_err(source)?;
    let (window, bytes) = reorder_buffer::new(usize::from(context.readers) + AHEAD);
    let (begun, first_row) = oneshot::channel();
    let reading = Reading::new(claim, urls, progress, slicer, window, begun);
    // When either side stops, dropping its end of the window stops the encoders, and they the
    // other side.
    let reading = reading.run(&mut session, joining);
    let writing = async {
        let mut chunks = bytes;
        let header = csv::header(claim.filter.direction);
        file.write(&header).await?;
        progress.add_bytes(header.len());
        while let Some(chunk) = chunks.next().await {
            file.write(&chunk.bytes).await?;
            progress.add_bytes(chunk.bytes.len());
        }
        Ok::<_, WriteError>(())
    };
    let timing = async {
        if first_row.await.is_ok() {
            clock.ended(Phase::FirstRow);
        }
    };
    let (read, written, ()) = tokio::join!(reading, writing, timing);
    written?;
    // Only with this it is known that every slice came to its end.
    let row_count = read?;
    clock.ended(Phase::Streaming);
    let confirmed = session.commit_if_unchanged().await;
    confirmed.map_err(|error| JobError::source(&error))?;
    context.sessions.release(session).await;

    let written = file.finish().await?;
    clock.ended(Phase::UploadCompletion);
    Ok(FinishedFile {
        row_count,
        size_bytes: written.size_bytes,
        sha256: written.sha256,
        ttl: context.settings.file_ttl,
    })
}

/// How the export is read: at once, or in slices by others that join the snapshot.
async fn plan(
    context: &Context,
    claim: &Claim,
    session: &mut SourceSession,
) -> Result<(TimePartition, Option<Joining>), SourceError> {
    let whole = TimePartition::whole(TimeSlice::whole(&claim.filter.range));
    let readers = context.readers;
    match session.estimate(&claim.filter, FEW).await? {
        Estimate::Few | Estimate::Unordered => Ok((whole, None)),
        Estimate::SingleStatement(reason) => {
            tracing::info!(
                reason,
                "one statement reads all messages: others could see another state of the source"
            );
            Ok((whole, None))
        }
        Estimate::Many { extent, sample } => {
            let slicer = TimePartition::parts(extent, sample, readers);
            let others = readers.saturating_sub(1);
            if others == 0 {
                return Ok((slicer, None));
            }
            let joining = Joining {
                others,
                sessions: context.sessions.clone(),
                snapshot: session.export_snapshot().await?,
            };
            Ok((slicer, Some(joining)))
        }
    }
}
