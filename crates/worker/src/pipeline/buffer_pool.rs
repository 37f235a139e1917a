//! Memory that is used again and again.
//!
//! Chunks and parts are large and short-lived: handed to the allocator one by one they fragment it,
//! the worker's memory would grow with the length of the file, and the kernel would have to clear
//! every page anew.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// The buffers of one file that wait for their next use.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool(Arc<Waiting>);

#[derive(Debug)]
struct Waiting {
    /// Of a new buffer, in bytes.
    capacity: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
}

/// Bytes whose memory goes back to where it came from.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: BufferPool,
}

impl BufferPool {
    /// None yet; new ones have this capacity.
    pub(crate) fn new(capacity: usize) -> Self {
        let buffers = Mutex::default();
        Self(Arc::new(Waiting { capacity, buffers }))
    }

    /// An empty buffer: one that came back, or a new one.
    pub(crate) fn take(&self) -> Buffer {
        let back = self.waiting(Vec::pop);
        self.buffer(back.unwrap_or_else(|| Vec::with_capacity(self.0.capacity)))
    }

    /// A buffer that has no memory yet, for what may turn out to be little.
    pub(crate) fn take_none(&self) -> Buffer {
        self.buffer(Vec::new())
    }

    fn buffer(&self, bytes: Vec<u8>) -> Buffer {
        let home = self.clone();
        Buffer { bytes, home }
    }

    fn waiting<T>(&self, with: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        with(
            &mut self
                .0
                .buffers
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
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
        self.home.waiting(|waiting| waiting.push(bytes));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_bytes_are_done_with() {
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
}
