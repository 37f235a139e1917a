//! The work itself: one export is one snapshot is one file.

use std::sync::Arc;

use exports_storage::source::{EndpointUrls, SourceSession, UrlColumn};
use exports_storage::{Claim, Error as StorageError, FileFacts};

use crate::encoder::{self, Encoder};
use crate::endpoint_cells::{EndpointCells, UrlSource};
use crate::failing::{JobError, WriteError};
use crate::metrics::{Phase, PhaseClock};
use crate::output::OutputFile;
use crate::progress::Counters;
use crate::reader;
use crate::sessions::IdleSessions;
use crate::start::Context;

/// Projects with more endpoints than this have the URL joined to each row instead of a map of all
/// in memory.
const MOST_ENDPOINTS: u16 = 2_000;

/// Streams the messages of an export into its file. Dropping it midway leaves `file` to be
/// discarded and closes the session.
pub(crate) async fn write(
    context: &Context,
    claim: &Claim,
    sessions: &IdleSessions,
    progress: &Counters,
    file: &mut OutputFile,
    clock: &mut PhaseClock,
) -> Result<FileFacts, WriteError> {
    let source = |error: StorageError| JobError::source(&error);
    let mut session = begin_snapshot(context, claim, sessions)
        .await
        .map_err(source)?;
    let urls = session
        .endpoint_urls(&claim.project, claim.filter.direction, MOST_ENDPOINTS)
        .await
        .map_err(source)?;
    let (column, urls) = match urls {
        EndpointUrls::All(urls) => (
            UrlColumn::Known,
            UrlSource::Map(EndpointCells::new(claim.filter.direction, &urls)),
        ),
        EndpointUrls::TooMany => (UrlColumn::Joined, UrlSource::Row),
    };

    let (chunks, mut csv, encoding) = encoder::spawn(
        Encoder::new(claim.filter.direction, Arc::new(urls)),
        progress.clone(),
    );
    let rows = session.rows(&claim.filter, column).await.map_err(source)?;
    // When either side stops, dropping its end of the channel stops the encoder, and that the
    // other side.
    let reading = reader::read(rows, chunks, || clock.ended(Phase::FirstRow));
    let writing = async move {
        while let Some(bytes) = csv.recv().await {
            file.write(&bytes).await?;
            progress.add_bytes(bytes.len());
        }
        Ok::<_, WriteError>(file)
    };
    let (read, written) = tokio::join!(reading, writing);
    read.map_err(source)?;
    let file = written?;
    let row_count = encoding
        .await
        .map_err(|panicked| JobError::internal(&panicked))??;
    clock.ended(Phase::Streaming);
    give_back(session, sessions).await;

    let written = file.finish().await?;
    clock.ended(Phase::UploadCompletion);
    Ok(FileFacts {
        row_count,
        size_bytes: written.size_bytes,
        sha256: written.sha256,
        ttl: context.settings.file_ttl,
    })
}

/// A session whose snapshot has begun: a kept one, or a new one if that has died meanwhile.
async fn begin_snapshot(
    context: &Context,
    claim: &Claim,
    sessions: &IdleSessions,
) -> Result<SourceSession, StorageError> {
    if let Some(mut kept) = sessions.take() {
        match kept.begin(&claim.project).await {
            Ok(()) => return Ok(kept),
            Err(error) => tracing::debug!(%error, "a kept session had died"),
        }
    }
    let mut session = context.source.open_session().await?;
    session.begin(&claim.project).await?;
    Ok(session)
}

/// Keeps a session that is in step for the next export; closes any other.
async fn give_back(session: SourceSession, sessions: &IdleSessions) {
    match session.finish().await {
        Ok(session) => sessions.give_back(session),
        Err(error) => tracing::debug!(%error, "a session is not kept"),
    }
}
