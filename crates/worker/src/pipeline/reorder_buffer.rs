//! Puts slices together in order: they are read at the same time, and written one after the other.
//!
//! Each slice has room for [`ROOM`] bytes that wait for their turn. Whoever fills it waits; the
//! slice whose turn it is empties its room as it goes, so it always flows, however much it holds.
//! Slices get their turns in the order in which they were opened, and a reader opens one only when
//! it is done with the one before: there is always a reader for the slice whose turn it is.
//!
//! So many slices have a place at the same time, the one whose turn it is among them: a reader
//! that is far ahead of another waits for a place before it begins another slice.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::pipeline::buffer_pool::Buffer;
use crate::pipeline::partition;

/// Bytes of one slice that can wait: a slice of the intended size and half as much.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
const ROOM: u32 = (partition::BYTES + partition::BYTES / 2) as u32;

/// Opens slices.
#[derive(Debug)]
pub(crate) struct ReorderBuffer {
    slices: mpsc::UnboundedSender<SliceOutput>,
    places: Arc<Semaphore>,
}

/// The right to open a slice.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Gives out the slices' bytes, in order.
#[derive(Debug)]
pub(crate) struct WindowOutput {
    slices: mpsc::UnboundedReceiver<SliceOutput>,
    current: Option<SliceOutput>,
    places: Arc<Semaphore>,
}

/// Takes the bytes of one slice.
#[derive(Debug)]
pub(crate) struct SliceInput {
    chunks: mpsc::UnboundedSender<Chunk>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct SliceOutput {
    chunks: mpsc::UnboundedReceiver<Chunk>,
    room: Arc<Semaphore>,
    _place: Place,
}

/// Bytes on their way, and the room that they take up until they are dropped.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Buffer,
    _room: OwnedSemaphorePermit,
}

/// An empty window with places for so many slices.
pub(crate) fn new(places: usize) -> (ReorderBuffer, WindowOutput) {
    let (opened, slices) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(places));
    let output = WindowOutput {
        slices,
        current: None,
        places: places.clone(),
    };
    let slices = opened;
    (ReorderBuffer { slices, places }, output)
}

impl ReorderBuffer {
    /// Waits for a place; `None` if nobody takes the bytes any more.
    pub(crate) async fn place(&self) -> Option<Place> {
        let permit = self.places.clone().acquire_owned().await.ok()?;
        Some(Place { _permit: permit })
    }

    /// Opens the next slice. Its turn comes when those before are at their ends.
    pub(crate) fn open(&self, place: Place) -> SliceInput {
        let (chunks, waiting) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(ROOM as usize));
        let output = SliceOutput {
            chunks: waiting,
            room: room.clone(),
            _place: place,
        };
        // If nobody takes the bytes any more, the input notices by its room.
        self.slices.send(output).ok();
        SliceInput { chunks, room }
    }
}

impl WindowOutput {
    /// The next bytes; `None` when every slice that was opened is at its end, and the window gone.
    pub(crate) async fn next(&mut self) -> Option<Chunk> {
        loop {
            if let Some(slice) = &mut self.current {
                if let Some(chunk) = slice.chunks.recv().await {
                    return Some(chunk);
                }
                self.current = None;
            }
            self.current = Some(self.slices.recv().await?);
        }
    }
}

impl SliceInput {
    /// Hands on bytes; waits for room. `false`: nobody takes them any more. For threads that may
    /// block.
    pub(crate) fn blocking_send(&self, bytes: Buffer) -> bool {
        // What is larger than the room takes all of it.
        let size = u32::try_from(bytes.len()).map_or(ROOM, |size| size.min(ROOM));
        let room = self.room.clone().acquire_many_owned(size);
        match Handle::current().block_on(room) {
            Ok(room) => self.chunks.send(Chunk { bytes, _room: room }).is_ok(),
            Err(_closed) => false,
        }
    }
}

impl Drop for WindowOutput {
    fn drop(&mut self) {
        self.places.close();
    }
}

impl Drop for SliceOutput {
    fn drop(&mut self) {
        self.room.close();
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

    async fn open(window: &ReorderBuffer) -> SliceInput {
        window.open(window.place().await.unwrap())
    }

    #[tokio::test]
    async fn slices_come_out_in_the_order_in_which_they_were_opened() {
        let (window, mut output) = new(2);
        let (first, second) = (open(&window).await, open(&window).await);
        drop(window);
        let late = spawn_blocking(move || {
            assert!(second.blocking_send(buffer(b"b")));
            drop(second);
            assert!(first.blocking_send(buffer(b"a1")));
            assert!(first.blocking_send(buffer(b"a2")));
        });
        let mut all = Vec::new();
        while let Some(chunk) = output.next().await {
            all.extend_from_slice(&chunk.bytes);
        }
        late.await.unwrap();
        assert_eq!(all, b"a1a2b");
    }

    #[tokio::test]
    async fn a_slice_that_waits_for_its_turn_holds_no_more_than_its_room() {
        let (window, mut output) = new(2);
        let (head, waiting) = (open(&window).await, open(&window).await);
        drop(window);
        let room = waiting.room.clone();
        let sending = spawn_blocking(move || {
            (0..20).all(|_| waiting.blocking_send(zeros(ROOM as usize / 4)))
        });
        while room.available_permits() >= ROOM as usize / 4 {
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
    async fn whoever_waits_for_room_learns_that_nobody_takes_the_bytes() {
        let (window, output) = new(1);
        let slice = open(&window).await;
        let sending =
            spawn_blocking(move || while slice.blocking_send(zeros(2 * ROOM as usize)) {});
        drop(output);
        drop(window);
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_is_far_ahead_waits_for_a_place() {
        let (window, mut output) = new(2);
        let (head, ahead) = (open(&window).await, open(&window).await);
        // All of the second slice is there, but not its turn.
        drop(ahead);
        let mut place = std::pin::pin!(window.place());
        assert!(futures_util::poll!(&mut place).is_pending());
        drop(head);
        // There is nothing more yet, but the two slices are behind it.
        let next = tokio::time::timeout(Duration::from_millis(1), output.next());
        assert!(next.await.is_err());
        assert!(place.await.is_some());
        drop(output);
        assert!(window.place().await.is_none());
    }
}
