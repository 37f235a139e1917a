//! Several connections that read one export at the same time, under one snapshot.
//!
//! The session that began the snapshot reads from the start, others as soon as they have joined. One
//! that cannot join is left out: the export only takes longer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exports_database::Claim;
use exports_domain::error_line;
use exports_source::Error as SourceError;
use exports_source::{EndpointUrls, SnapshotId, SourceSession, TimeSlice};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::job::Counters;
use crate::job::JobError;
use crate::pipeline::buffer_pool::BufferPool;
use crate::pipeline::chunks;
use crate::pipeline::encoder::{self, Encoded, Encoder};
use crate::pipeline::partition::TimePartition;
use crate::pipeline::reorder_buffer::{ReorderBuffer, SliceInput};
use exports_formats::csv::{EndpointFields, UrlSource};
use exports_source::SessionPool;

/// What the readers of one export share.
pub(crate) struct Reading {
    claim: Claim,
    endpoint_urls: EndpointUrls,
    urls: Arc<UrlSource>,
    progress: Counters,
    /// For what comes from the source, and for what goes to the file.
    buffers: BufferPool,
    window: ReorderBuffer,
    work: Mutex<Work>,
}

/// What is left, and what was read.
struct Work {
    slicer: TimePartition,
    rows: u64,
    /// Told once, when the first row is there, or the end of none.
    begun: Option<oneshot::Sender<()>>,
}

/// Who is to join the session that has the snapshot.
pub(crate) struct Joining {
    pub(crate) others: u16,
    pub(crate) sessions: SessionPool,
    pub(crate) snapshot: SnapshotId,
}

impl Reading {
    pub(crate) fn new(
        claim: &Claim,
        endpoint_urls: EndpointUrls,
        progress: &Counters,
        slicer: TimePartition,
        window: ReorderBuffer,
        begun: oneshot::Sender<()>,
    ) -> Self {
        let urls = match &endpoint_urls {
            EndpointUrls::All(urls) => {
                UrlSource::Map(EndpointFields::new(claim.filter.direction, urls))
            }
            EndpointUrls::InRows => UrlSource::Row,
        };
        Self {
            claim: claim.clone(),
            endpoint_urls,
            urls: Arc::new(urls),
            progress: progress.clone(),
            // A small export takes the memory that it needs.
            buffers: BufferPool::new(0),
            window,
            work: Mutex::new(Work {
                slicer,
                rows: 0,
                begun: Some(begun),
            }),
        }
    }

    /// Reads everything, by the session and by those who join it. Gives the number of rows. Dropping
    /// it midway ends all of it.
    pub(crate) async fn run(
        self,
        session: &mut SourceSession,
        joining: Option<Joining>,
    ) -> Result<u64, JobError> {
        let reading = Arc::new(self);
        let all_taken = CancellationToken::new();
        let mut others = JoinSet::new();
        if let Some(joining) = joining {
            let joining = Arc::new(joining);
            for _ in 0..joining.others {
                let other = join_and_read(reading.clone(), joining.clone(), all_taken.clone());
                others.spawn(other.in_current_span());
            }
        }
        let others = async {
            while let Some(other) = others.join_next().await {
                other.map_err(|panicked| JobError::internal(&panicked))??;
            }
            Ok(())
        };
        let own = async {
            reading.read_slices(session).await?;
            all_taken.cancel();
            Ok::<_, JobError>(())
        };
        // The first that fails ends all.
        tokio::try_join!(own, others)?;
        let rows = reading.lock().rows;
        Ok(rows)
    }

    /// Reads one slice after the other until nothing is left.
    async fn read_slices(&self, session: &mut SourceSession) -> Result<(), JobError> {
        while let Some((slice, output)) = self.next_slice().await {
            let encoded = self.read_slice(session, slice, output).await?;
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
        slice: TimeSlice,
        output: SliceInput,
    ) -> Result<Option<Encoded>, JobError> {
        let source = |error: SourceError| JobError::rows(&error);
        let encoder = Encoder::new(self.claim.filter.direction, self.urls.clone());
        let (buffers, progress) = (self.buffers.clone(), self.progress.clone());
        let (chunks, encoding) = encoder::spawn(encoder, output, buffers, progress);
        let rows = session.rows(&self.claim.filter, slice, &self.endpoint_urls);
        let rows = rows.await;
        let begun = || {
            if let Some(begun) = self.lock().begun.take() {
                // Who does not wait for it has given up.
                begun.send(()).ok();
            }
        };
        chunks::read(rows.map_err(source)?, chunks, &self.buffers, begun)
            .await
            .map_err(source)?;
        encoding
            .await
            .map_err(|panicked| JobError::internal(&panicked))?
    }

    /// Takes the next slice and opens its place in the file, once there is one.
    async fn next_slice(&self) -> Option<(TimeSlice, SliceInput)> {
        let place = self.window.place().await?;
        // Under one lock: slices are opened in the order of time.
        let mut work = self.lock();
        let slice = work.slicer.take()?;
        Some((slice, self.window.open(place)))
    }

    fn learn(&self, slice: TimeSlice, encoded: Encoded) {
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
        let first = first.map_err(|error| JobError::rows(&error))?;
        self.lock().slicer.skip(left, first);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another reader. It no longer joins when there is nothing left to take.
async fn join_and_read(
    reading: Arc<Reading>,
    joining: Arc<Joining>,
    all_taken: CancellationToken,
) -> Result<(), JobError> {
    let sessions = &joining.sessions;
    let joined = sessions.join(&reading.claim.project, &joining.snapshot);
    match all_taken.run_until_cancelled(joined).await {
        None => Ok(()),
        Some(Ok(mut session)) => {
            reading.read_slices(&mut session).await?;
            sessions.release(session).await;
            Ok(())
        }
        Some(Err(error)) => {
            tracing::info!(
                error = error_line(&error),
                "a reader is left out: it cannot join the export's snapshot"
            );
            Ok(())
        }
    }
}
