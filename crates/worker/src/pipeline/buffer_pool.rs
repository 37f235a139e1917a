//! Reuses the memory of chunks and parts.
//!
//! They are large and short-lived. Allocated one by one they fragment the heap: the memory of the worker
//! would grow with the length of the file, and the kernel would have to clear every page again.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The unused buffers of one file. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool {
    /// The capacity of a new buffer, in bytes.
    capacity: usize,
    /// `None`: the pool is retired.
    unused: Arc<Mutex<Option<Vec<Vec<u8>>>>>,
}

/// Bytes whose memory returns to its pool on drop.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    pool: BufferPool,
}

impl BufferPool {
    /// An empty pool; new buffers have this capacity.
    pub(crate) fn new(capacity: usize) -> Self {
        let unused = Arc::new(Mutex::new(Some(Vec::new())));
        Self { capacity, unused }
    }

    /// An empty buffer from the pool, or a new one.
    pub(crate) fn take(&self) -> Buffer {
        let unused = self.unused().as_mut().and_then(Vec::pop);
        self.buffer(unused.unwrap_or_else(|| Vec::with_capacity(self.capacity)))
    }

    /// An empty buffer without memory, for content that may be small.
    pub(crate) fn take_unallocated(&self) -> Buffer {
        self.buffer(Vec::new())
    }

    /// Frees the unused buffers now, and every other buffer when it is dropped.
    pub(crate) fn retire(&self) {
        *self.unused() = None;
    }

    fn buffer(&self, bytes: Vec<u8>) -> Buffer {
        let pool = self.clone();
        Buffer { bytes, pool }
    }

    fn unused(&self) -> MutexGuard<'_, Option<Vec<Vec<u8>>>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        if let Some(unused) = self.pool.unused().as_mut() {
            unused.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_buffer_returns_to_the_pool_when_its_last_reference_is_dropped() {
        let buffers = BufferPool::new(100);
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"part");
        let memory = buffer.as_ptr();
        let sent = Bytes::from_owner(buffer);
        let clone = sent.slice(1..);
        drop(sent);
        assert_eq!(clone.as_ref(), b"art");
        let other = buffers.take();
        assert_ne!(other.as_ptr(), memory, "still in use");
        drop(clone);
        let back = buffers.take();
        assert!(back.as_ptr() == memory && back.is_empty() && back.capacity() >= 100);
    }
    #[test]
    fn a_retired_pool_keeps_no_memory() {
        let buffers = BufferPool::new(100);
        let (used, unused) = (buffers.take(), buffers.take());
        drop(unused);
        buffers.retire();
        drop(used);
        assert!(buffers.unused().is_none());
    }
}
