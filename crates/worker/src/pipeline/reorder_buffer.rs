//! Puts slices back in order: they are read at the same time, and written one after the other.
//!
//! This is the backpressure between the readers and the upload:
//!
//! - Each slice has a byte budget. When the bytes that wait for the turn of the slice use it up, its encoder
//!   waits, and so does its reader. The slice whose turn it is flows through, whatever its size.
//! - A row that is very long is received only when its slice has its turn, so there is one at a time.
//! - The number of slots limits the slices that exist at the same time, including the one whose turn it is.
//!   A reader that is far ahead waits for a slot.
//!
//! It cannot deadlock: slices get their turns in the order in which they were opened, and a reader finishes
//! its slice before it opens another. So the slice whose turn it is always has a reader.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::pipeline::buffer_pool::Buffer;
use crate::pipeline::partition;

/// The bytes of a slice that can wait for its turn: one and a half times the intended size.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
const BYTE_BUDGET: u32 = (partition::BYTES + partition::BYTES / 2) as u32;

/// The input side: opens slices. `T` is what a slice ends with.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<T> {
    slices: mpsc::UnboundedSender<SliceOutput<T>>,
    slots: Arc<Semaphore>,
}

/// The right to open a slice.
pub(crate) type Slot = OwnedSemaphorePermit;

/// The output side: the bytes of all slices, in order. Dropping it closes the input side.
#[derive(Debug)]
pub(crate) struct OrderedOutput<T> {
    slices: mpsc::UnboundedReceiver<SliceOutput<T>>,
    current: Option<SliceOutput<T>>,
    slots: Arc<Semaphore>,
}

/// What a slice consists of.
#[derive(Debug)]
pub(crate) enum Piece<T> {
    /// Its bytes.
    Bytes(Chunk),
    /// Its end.
    End(T),
    /// The end of a file, after the [`End`](Self::End) of its rows. More rows follow, for the next file.
    FileEnd,
}

/// Takes the bytes of one slice.
#[derive(Debug)]
pub(crate) struct SliceInput<T> {
    pieces: mpsc::UnboundedSender<Piece<T>>,
    budget: Arc<Semaphore>,
    /// Has a permit when the slice has its turn.
    turn: Arc<Semaphore>,
}

/// Ends the files of a slice, if the export is split.
#[derive(Debug)]
pub(crate) struct PieceSender<T>(mpsc::UnboundedSender<Piece<T>>);

impl<T> PieceSender<T> {
    /// Ends a file.
    pub(crate) fn end_file(&self, end: T) {
        // If the output is closed, the next bytes cannot be sent either.
        self.0.send(Piece::End(end)).ok();
        self.0.send(Piece::FileEnd).ok();
    }
}

#[derive(Debug)]
struct SliceOutput<T> {
    pieces: mpsc::UnboundedReceiver<Piece<T>>,
    budget: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    _slot: Slot,
}

/// Bytes of a slice. They count towards its byte budget until they are dropped.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Buffer,
    _budget: Option<OwnedSemaphorePermit>,
}

impl From<Buffer> for Chunk {
    /// Bytes that belong to no slice.
    fn from(bytes: Buffer) -> Self {
        Self {
            bytes,
            _budget: None,
        }
    }
}

/// Both sides of a new buffer with this number of slots.
pub(crate) fn new<T>(slots: usize) -> (ReorderBuffer<T>, OrderedOutput<T>) {
    let (opened, slices) = mpsc::unbounded_channel();
    let slots = Arc::new(Semaphore::new(slots));
    let output = OrderedOutput {
        slices,
        current: None,
        slots: slots.clone(),
    };
    let slices = opened;
    (ReorderBuffer { slices, slots }, output)
}

impl<T> ReorderBuffer<T> {
    /// Waits for a slot; `None` if the output is closed.
    pub(crate) async fn slot(&self) -> Option<Slot> {
        self.slots.clone().acquire_owned().await.ok()
    }

    /// Opens the next slice. Its turn comes after all slices that were opened before it.
    pub(crate) fn open(&self, slot: Slot) -> SliceInput<T> {
        let (pieces, waiting) = mpsc::unbounded_channel();
        let budget = Arc::new(Semaphore::new(BYTE_BUDGET as usize));
        let turn = Arc::new(Semaphore::new(0));
        let output = SliceOutput {
            pieces: waiting,
            budget: budget.clone(),
            turn: turn.clone(),
            _slot: slot,
        };
        // If the output is closed, this drops the slice, which closes its budget: the next send fails.
        self.slices.send(output).ok();
        SliceInput {
            pieces,
            budget,
            turn,
        }
    }
}

impl<T> OrderedOutput<T> {
    /// The next piece; `None` when the input side is closed and every slice has ended.
    pub(crate) async fn next(&mut self) -> Option<Piece<T>> {
        loop {
            if let Some(slice) = &mut self.current {
                if let Some(piece) = slice.pieces.recv().await {
                    return Some(piece);
                }
                self.current = None;
            }
            let next = self.slices.recv().await?;
            next.turn.add_permits(1);
            self.current = Some(next);
        }
    }
}

impl<T> SliceInput<T> {
    /// Sends bytes and waits while the byte budget is used up. `false` if the output is closed. Only for
    /// threads that may block.
    pub(crate) fn blocking_send(&self, bytes: Buffer) -> bool {
        // More than the budget takes all of it.
        let size = u32::try_from(bytes.len()).map_or(BYTE_BUDGET, |size| size.min(BYTE_BUDGET));
        let budget = self.budget.clone().acquire_many_owned(size);
        match Handle::current().block_on(budget) {
            Ok(permit) => {
                let chunk = Chunk {
                    bytes,
                    _budget: Some(permit),
                };
                self.pieces.send(Piece::Bytes(chunk)).is_ok()
            }
            Err(_closed) => false,
        }
    }

    /// Ends files in the middle of the slice.
    pub(crate) fn file_ends(&self) -> PieceSender<T> {
        PieceSender(self.pieces.clone())
    }

    /// Ends the slice. `false` if the output is closed.
    pub(crate) fn end(self, end: T) -> bool {
        self.pieces.send(Piece::End(end)).is_ok()
    }

    /// Waits until the slice has its turn. `false` if the output is closed. Only for threads that may block.
    pub(crate) fn blocking_wait_for_turn(&self) -> bool {
        Handle::current().block_on(self.turn.acquire()).is_ok()
    }
}

impl<T> Drop for OrderedOutput<T> {
    fn drop(&mut self) {
        self.slots.close();
    }
}

impl<T> Drop for SliceOutput<T> {
    fn drop(&mut self) {
        self.budget.close();
        self.turn.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::spawn_blocking;

    use super::*;
    use crate::pipeline::buffer_pool::BufferPool;

    fn buffer(bytes: &[u8]) -> Buffer {
        let mut buffer = BufferPool::new(0).take();
        buffer.extend_from_slice(bytes);
        buffer
    }

    fn zeros(length: usize) -> Buffer {
        buffer(&vec![0; length])
    }

    async fn open<T>(slices: &ReorderBuffer<T>) -> SliceInput<T> {
        slices.open(slices.slot().await.unwrap())
    }

    /// The next piece, which is bytes.
    async fn next_bytes(output: &mut OrderedOutput<()>) -> Vec<u8> {
        match output.next().await {
            Some(Piece::Bytes(chunk)) => chunk.bytes.to_vec(),
            Some(Piece::End(()) | Piece::FileEnd) | None => panic!("no bytes"),
        }
    }

    #[tokio::test]
    async fn slices_are_output_in_the_order_in_which_they_are_opened() {
        let (slices, mut output) = new(2);
        let (first, second) = (open(&slices).await, open(&slices).await);
        drop(slices);
        let late = spawn_blocking(move || {
            assert!(second.blocking_send(buffer(b"b")));
            assert!(second.end(b"[end of b]".as_slice()));
            assert!(first.blocking_send(buffer(b"a1")));
            first.file_ends().end_file(b"[end of a1]");
            assert!(first.blocking_send(buffer(b"a2")));
            assert!(first.end(b"[end of a]"));
        });
        let mut all = Vec::new();
        while let Some(piece) = output.next().await {
            match piece {
                Piece::Bytes(chunk) => all.extend_from_slice(&chunk.bytes),
                Piece::End(end) => all.extend_from_slice(end),
                Piece::FileEnd => all.extend_from_slice(b"[end of file]"),
            }
        }
        late.await.unwrap();
        assert_eq!(all, b"a1[end of a1][end of file]a2[end of a]b[end of b]");
    }

    #[tokio::test]
    async fn a_slice_that_waits_for_its_turn_holds_at_most_its_byte_budget() {
        let (slices, mut output) = new::<()>(2);
        let (head, waiting) = (open(&slices).await, open(&slices).await);
        drop(slices);
        let budget = waiting.budget.clone();
        let sending = spawn_blocking(move || {
            (0..20).all(|_| waiting.blocking_send(zeros(BYTE_BUDGET as usize / 4)))
        });
        while budget.available_permits() >= BYTE_BUDGET as usize / 4 {
            tokio::task::yield_now().await;
        }
        assert!(!sending.is_finished());
        drop(head);
        let mut chunks = 0;
        while output.next().await.is_some() {
            chunks += 1;
        }
        assert!(sending.await.unwrap());
        assert_eq!(chunks, 20);
    }

    #[tokio::test]
    async fn an_encoder_blocked_by_its_byte_budget_stops_when_the_output_is_closed() {
        let (slices, output) = new::<()>(1);
        let slice = open(&slices).await;
        let sending =
            spawn_blocking(move || while slice.blocking_send(zeros(2 * BYTE_BUDGET as usize)) {});
        drop(output);
        drop(slices);
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn an_encoder_with_a_long_row_waits_for_the_turn_of_its_slice() {
        let (slices, mut output) = new::<()>(3);
        let (head, second) = (open(&slices).await, open(&slices).await);
        let third = open(&slices).await;
        let turn = second.turn.clone();
        let waiting = spawn_blocking(move || {
            second.blocking_wait_for_turn() && second.blocking_send(buffer(b"long"))
        });
        let sending = spawn_blocking(move || {
            head.blocking_wait_for_turn() && head.blocking_send(buffer(b"head"))
        });
        assert_eq!(next_bytes(&mut output).await, b"head");
        assert!(sending.await.unwrap());
        assert_eq!(
            turn.available_permits(),
            0,
            "the first slice has not ended for the output"
        );
        assert_eq!(next_bytes(&mut output).await, b"long");
        assert!(waiting.await.unwrap());
        drop(output);
        let closed = spawn_blocking(move || third.blocking_wait_for_turn());
        assert!(!closed.await.unwrap(), "the output is closed");
    }

    #[tokio::test]
    async fn a_reader_that_is_far_ahead_waits_for_a_slot() {
        let (slices, mut output) = new::<()>(2);
        let (head, ahead) = (open(&slices).await, open(&slices).await);
        // The second slice is complete, but the first one is not.
        drop(ahead);
        let mut slot = std::pin::pin!(slices.slot());
        assert!(futures_util::poll!(&mut slot).is_pending());
        drop(head);
        // It waits for a third slice, so the first two have ended.
        let next = tokio::time::timeout(Duration::from_millis(1), output.next());
        assert!(next.await.is_err());
        assert!(slot.await.is_some());
        drop(output);
        assert!(slices.slot().await.is_none());
    }
}
