//! Memory for a file's parts, used again and again.
//!
//! Parts are large and short-lived: handed to the allocator one by one they fragment it, and the
//! worker's memory would grow with the length of the file.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use exports_objects::PART_SIZE;

/// The buffers of one file that wait for their next use.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartBuffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A part on its way. When the last reference to its bytes goes, its buffer comes back.
struct SentPart {
    buffer: Vec<u8>,
    home: PartBuffers,
}

impl PartBuffers {
    /// A buffer for a whole part: one that came back, or a new one.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(PART_SIZE))
    }

    /// The bytes of a filled buffer, which comes back when they are no longer needed.
    pub(crate) fn send(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(SentPart {
            buffer,
            home: self.clone(),
        })
    }
}

impl AsRef<[u8]> for SentPart {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for SentPart {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut waiting = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_bytes_are_done_with() {
        let buffers = PartBuffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"part");
        let memory = buffer.as_ptr();
        let sent = buffers.send(buffer);
        let clone = sent.slice(1..);
        drop(sent);
        assert_eq!(clone.as_ref(), b"art");
        let other = buffers.take();
        assert_ne!(other.as_ptr(), memory, "still in use");
        drop(clone);
        let back = buffers.take();
        assert!(back.as_ptr() == memory && back.is_empty() && back.capacity() >= PART_SIZE);
    }
}
