//! Reads one export over several connections at the same time, all in one snapshot.
//!
//! The session that began the snapshot starts to read at once; the others read as soon as they have joined.
//! A reader that cannot join is skipped: the export only takes longer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exports_database::Claim;
use exports_domain::{Column, error_line};
use exports_formats::{Format, RowFormat};
use exports_source::{Error as SourceError, SessionPool};
use exports_source::{SnapshotId, SourceSession, TimeSlice, UrlColumn};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::job::{JobError, SharedProgress};
use crate::pipeline::buffer_pool::BufferPool;
use crate::pipeline::chunks;
use crate::pipeline::encoder::{self, Encoder, SliceSize};
use crate::pipeline::file_split::FileSplit;
use crate::pipeline::partition::TimePartition;
use crate::pipeline::reorder_buffer::{ReorderBuffer, SliceInput};

/// What the readers of one export share.
pub(crate) struct Readers<F: Format> {
    claim: Claim,
    format: Arc<F>,
    columns: RowColumns,
    progress: SharedProgress,
    /// For chunks of the source and for encoded bytes.
    buffers: BufferPool,
    reorder_buffer: ReorderBuffer<Slice<F>>,
    state: Mutex<State>,
}

/// What the end of the file must know about a slice.
pub(crate) type Slice<F> = <<F as Format>::Rows as RowFormat>::Slice;

/// What the rows have.
#[derive(Debug, Clone)]
pub(crate) struct RowColumns {
    pub(crate) columns: Vec<Column>,
    pub(crate) url: UrlColumn,
}

struct State {
    partition: TimePartition,
    /// The width of the whole time range, and of the slices that are being read, in microseconds.
    whole: i64,
    in_progress: i64,
    /// The rows of the finished slices.
    rows: u64,
    /// Notified once: at the first row, or at the end of a slice without rows.
    first_row: Option<oneshot::Sender<()>>,
}

/// When the source is searched for messages that the conditions leave out because of an invalid value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// While other readers read and parts are uploaded: the search may take as long as reading.
    AfterReading,
    /// With the commit, which saves a round trip. The caller does that.
    AtCommit,
}

/// Readers that join the snapshot of the first session.
pub(crate) struct JoiningReaders {
    pub(crate) count: u16,
    pub(crate) sessions: SessionPool,
    pub(crate) snapshot: SnapshotId,
}

impl<F: Format> Readers<F> {
    pub(crate) fn new(
        claim: &Claim,
        format: Arc<F>,
        columns: RowColumns,
        progress: &SharedProgress,
        partition: TimePartition,
        reorder_buffer: ReorderBuffer<Slice<F>>,
        first_row: oneshot::Sender<()>,
    ) -> Self {
        Self {
            claim: claim.clone(),
            format,
            columns,
            progress: progress.clone(),
            // No initial capacity: a small export uses only the memory that it needs.
            buffers: BufferPool::new(0),
            reorder_buffer,
            state: Mutex::new(State {
                whole: partition.remaining().map_or(0, |whole| whole.width()),
                in_progress: 0,
                partition,
                rows: 0,
                first_row: Some(first_row),
            }),
        }
    }

    /// Reads everything and returns the number of rows. Dropping the future stops all readers.
    pub(crate) async fn run(
        self,
        session: &mut SourceSession,
        joining: Option<JoiningReaders>,
        checked: Checked,
    ) -> Result<u64, JobError> {
        let readers = Arc::new(self);
        let all_taken = CancellationToken::new();
        let mut others = JoinSet::new();
        if let Some(joining) = joining {
            let joining = Arc::new(joining);
            for _ in 0..joining.count {
                let other = join_and_read(readers.clone(), joining.clone(), all_taken.clone());
                others.spawn(other.in_current_span());
            }
        }
        let others = async {
            while let Some(other) = others.join_next().await {
                other.map_err(|panicked| JobError::internal(&panicked))??;
            }
            Ok(())
        };
        let first = async {
            readers.read_slices(session).await?;
            all_taken.cancel();
            if checked == Checked::AtCommit {
                return Ok(());
            }
            // Other readers may still read. The rows that have been read cannot show what the conditions
            // exclude.
            let complete = session.check_excluded_rows(&readers.claim.filter).await;
            complete.map_err(|error| JobError::rows(&error))
        };
        // The first error stops all readers.
        tokio::try_join!(first, others)?;
        let rows = readers.lock().rows;
        Ok(rows)
    }

    /// Reads one slice after the other until no time remains.
    async fn read_slices(&self, session: &mut SourceSession) -> Result<(), JobError> {
        while let Some((slice, output)) = self.next_slice().await {
            let size = self.read_slice(session, slice, output).await?;
            // The output is closed; the task that closed it reports the reason.
            let Some(size) = size else { break };
            self.finish_slice(slice, size);
            if size.rows == 0 {
                self.skip_gap(session).await?;
            }
        }
        Ok(())
    }

    async fn read_slice(
        &self,
        session: &mut SourceSession,
        slice: TimeSlice,
        output: SliceInput<Slice<F>>,
    ) -> Result<Option<SliceSize>, JobError> {
        let source = |error: SourceError| JobError::rows(&error);
        let encoder = self.encoder(&output);
        let (buffers, progress) = (self.buffers.clone(), self.progress.clone());
        let (chunks, encoding) = encoder::spawn(encoder, output, buffers, progress);
        let working = self.progress.working();
        let RowColumns { columns, url } = &self.columns;
        let rows = session.rows(&self.claim.filter, slice, columns, *url, working);
        let rows = rows.await.map_err(source)?;
        let on_first_row = || {
            if let Some(first_row) = self.lock().first_row.take() {
                // Without a receiver, the attempt has stopped.
                first_row.send(()).ok();
            }
        };
        chunks::read(rows, chunks, &self.buffers, &self.progress, on_first_row)
            .await
            .map_err(source)?;
        encoding
            .await
            .map_err(|panicked| JobError::internal(&panicked))?
    }

    fn encoder(&self, output: &SliceInput<Slice<F>>) -> Encoder<F::Rows> {
        let encoder = Encoder::new(self.format.rows());
        let Some(max_rows) = self.claim.options.max_rows_per_file() else {
            return encoder;
        };
        let format = self.format.clone();
        encoder.split(FileSplit {
            max_rows: max_rows.get(),
            writer: Box::new(move || format.rows()),
            pieces: output.file_ends(),
        })
    }

    /// Waits for a slot in the reorder buffer, then takes the next slice.
    async fn next_slice(&self) -> Option<(TimeSlice, SliceInput<Slice<F>>)> {
        let slot = self.reorder_buffer.slot().await?;
        // Both under one lock: slices must be opened in time order.
        let mut state = self.lock();
        let slice = state.partition.next_slice()?;
        state.in_progress += slice.width();
        Some((slice, self.reorder_buffer.open(slot)))
    }

    fn finish_slice(&self, slice: TimeSlice, size: SliceSize) {
        let mut state = self.lock();
        state.partition.adjust_width(slice, size.rows, size.bytes);
        state.rows += size.rows;
        state.in_progress -= slice.width();
        // On average, half of the slices in progress is read.
        let left = state.partition.remaining().map_or(0, |left| left.width());
        let read = state.whole - left - state.in_progress / 2;
        self.progress.set_share(read, state.whole);
    }

    /// After a slice without rows, continues at the next row.
    async fn skip_gap(&self, session: &mut SourceSession) -> Result<(), JobError> {
        let Some(remaining) = self.lock().partition.remaining() else {
            return Ok(());
        };
        let first = session.first_time(&self.claim.filter, remaining).await;
        let first = first.map_err(|error| JobError::rows(&error))?;
        self.lock().partition.skip_to(first);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins the snapshot, unless no slice is left by then, and reads slices.
async fn join_and_read<F: Format>(
    readers: Arc<Readers<F>>,
    joining: Arc<JoiningReaders>,
    all_taken: CancellationToken,
) -> Result<(), JobError> {
    let sessions = &joining.sessions;
    let joined = sessions.join(&readers.claim.project, &joining.snapshot);
    match all_taken.run_until_cancelled(joined).await {
        None => Ok(()),
        Some(Ok(mut session)) => {
            readers.read_slices(&mut session).await?;
            sessions.release(session).await;
            Ok(())
        }
        Some(Err(error)) => {
            tracing::info!(
                error = error_line(&error),
                "a reader could not join the snapshot and is skipped"
            );
            Ok(())
        }
    }
}
