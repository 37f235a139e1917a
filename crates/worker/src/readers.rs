//! Several sessions that read one export at the same time, under one snapshot.
//!
//! The session that began the snapshot reads from the start to the end of all; the others join it
//! where there is enough to read. One that cannot is left out: the export only takes longer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exports_settings::error_line;
use exports_storage::source::{Slice, SnapshotId, SourceSession, UrlColumn};
use exports_storage::{Claim, Error as StorageError, Source};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::encoder::{self, Encoded, Encoder};
use crate::endpoint_cells::UrlSource;
use crate::failing::JobError;
use crate::progress::Counters;
use crate::reader;
use crate::slicer::Slicer;
use crate::window::{SliceInput, Window};

/// What the readers of one export share.
pub(crate) struct Reading {
    claim: Claim,
    column: UrlColumn,
    urls: Arc<UrlSource>,
    progress: Counters,
    work: Mutex<Work>,
}

/// What is left, and where it goes: together, since slices are opened in the order of time.
struct Work {
    slicer: Slicer,
    window: Window,
    rows: u64,
}

impl Reading {
    pub(crate) fn new(
        claim: &Claim,
        column: UrlColumn,
        urls: UrlSource,
        progress: &Counters,
        slicer: Slicer,
        window: Window,
    ) -> Self {
        Self {
            claim: claim.clone(),
            column,
            urls: Arc::new(urls),
            progress: progress.clone(),
            work: Mutex::new(Work {
                slicer,
                window,
                rows: 0,
            }),
        }
    }

    /// Reads everything: by `session`, and by as many others as are to join it. Gives the number of
    /// rows. `begun` is called once, when the first row is there, or the end of none.
    ///
    /// Dropping it midway ends all of it.
    pub(crate) async fn run(
        self,
        session: &mut SourceSession,
        joining: Option<(u16, SnapshotId, Source)>,
        begun: impl FnOnce(),
    ) -> Result<u64, JobError> {
        let reading = Arc::new(self);
        let all_taken = CancellationToken::new();
        let mut others = JoinSet::new();
        if let Some((count, snapshot, source)) = joining {
            for _ in 0..count {
                let (reading, snapshot) = (reading.clone(), snapshot.clone());
                let other = join_and_read(reading, source.clone(), snapshot, all_taken.clone());
                others.spawn(other.in_current_span());
            }
        }
        let own = async {
            reading.read_slices(session, begun).await?;
            all_taken.cancel();
            Ok::<_, JobError>(())
        };
        let others = async {
            while let Some(other) = others.join_next().await {
                other.map_err(|panicked| JobError::internal(&panicked))??;
            }
            Ok(())
        };
        // The first that fails ends all.
        tokio::try_join!(own, others)?;
        let rows = reading.lock().rows;
        Ok(rows)
    }

    /// Reads one slice after the other until nothing is left.
    async fn read_slices(
        &self,
        session: &mut SourceSession,
        begun: impl FnOnce(),
    ) -> Result<(), JobError> {
        let mut begun = Some(begun);
        while let Some((slice, output)) = self.next_slice() {
            let begun = || {
                if let Some(begun) = begun.take() {
                    begun();
                }
            };
            let encoded = self.read_slice(session, slice, output, begun).await?;
            // Nobody takes the file's bytes any more, and knows why.
            let Some(encoded) = encoded else { break };
            self.learn(slice, encoded);
            if encoded.rows == 0 {
                self.skip_gap(session).await?;
            }
        }
        Ok(())
    }

    async fn read_slice(
        &self,
        session: &mut SourceSession,
        slice: Slice,
        output: SliceInput,
        begun: impl FnOnce(),
    ) -> Result<Option<Encoded>, JobError> {
        let source = |error: StorageError| JobError::source(&error);
        let encoder = Encoder::new(self.claim.filter.direction, self.urls.clone());
        let (chunks, encoding) = encoder::spawn(encoder, output, self.progress.clone());
        let rows = session.slice_rows(&self.claim.filter, slice, self.column);
        reader::read(rows.await.map_err(source)?, chunks, begun)
            .await
            .map_err(source)?;
        encoding
            .await
            .map_err(|panicked| JobError::internal(&panicked))?
    }

    /// Takes the next slice and opens its place in the file.
    fn next_slice(&self) -> Option<(Slice, SliceInput)> {
        let mut work = self.lock();
        let slice = work.slicer.take()?;
        Some((slice, work.window.open()))
    }

    fn learn(&self, slice: Slice, encoded: Encoded) {
        let mut work = self.lock();
        work.slicer.learn(slice, encoded.rows, encoded.bytes);
        work.rows += encoded.rows;
    }

    /// After a slice without rows: goes on where there are some again.
    async fn skip_gap(&self, session: &mut SourceSession) -> Result<(), JobError> {
        let Some(left) = self.lock().slicer.left() else {
            return Ok(());
        };
        let first = session.first_time(&self.claim.filter, left).await;
        let first = first.map_err(|error| JobError::source(&error))?;
        self.lock().slicer.skip(left, first);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another reader, on a session of its own that is closed at the end. It no longer joins when there
/// is nothing left to take.
async fn join_and_read(
    reading: Arc<Reading>,
    source: Source,
    snapshot: SnapshotId,
    all_taken: CancellationToken,
) -> Result<(), JobError> {
    let joining = async {
        let mut session = source.open_session().await?;
        session.join(&reading.claim.project, &snapshot).await?;
        Ok::<_, StorageError>(session)
    };
    match all_taken.run_until_cancelled(joining).await {
        None => Ok(()),
        Some(Ok(mut session)) => reading.read_slices(&mut session, || {}).await,
        Some(Err(error)) => {
            tracing::info!(
                error = error_line(&error),
                "a reader is left out: it cannot join the export's snapshot"
            );
            Ok(())
        }
    }
}
