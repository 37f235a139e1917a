//! Direct I/O: writes that bypass the page cache, where the operating system and the file system support it.
//!
//! Direct I/O needs whole blocks and aligned memory. So the data is copied into aligned buffers, and the caller writes the last,
//! incomplete block.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path as FsPath;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A multiple of all common block sizes, and the page size.
const BLOCK: usize = 4096;
/// The size of one write: large enough for the disk, small enough for the CPU cache.
const BUFFER_SIZE: usize = 1024 * 1024;

/// A file that is open for direct I/O.
#[derive(Debug)]
pub(super) struct DirectFile {
    file: File,
    /// Free buffers, at most one for each concurrent write.
    buffers: Mutex<Vec<AlignedBuffer>>,
}

/// [`BUFFER_SIZE`] bytes of block-aligned memory.
#[derive(Debug)]
struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
}

impl DirectFile {
    /// `None` if direct I/O is not supported.
    pub(super) fn open(path: &FsPath) -> Option<Self> {
        let file = open(path)?;
        let buffers = Mutex::default();
        Some(Self { file, buffers })
    }

    /// Writes the whole blocks of `data` and returns their size in bytes. Returns 0 if `offset` is not aligned, and less than the
    /// whole blocks if the file system rejects the alignment.
    pub(super) fn write(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let length = data.len() - data.len() % BLOCK;
        if length == 0 || !offset.is_multiple_of(BLOCK as u64) {
            return Ok(0);
        }
        let mut buffer = self.buffers().pop().unwrap_or_else(AlignedBuffer::new);
        let mut at = offset;
        for bytes in data[..length].chunks(BUFFER_SIZE) {
            match self.file.write_all_at(buffer.fill(bytes), at) {
                // The file system needs a larger alignment.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
                written => written?,
            }
            at += bytes.len() as u64;
        }
        self.buffers().push(buffer);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most the length of the data"
        )]
        Ok((at - offset) as usize)
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<AlignedBuffer>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlignedBuffer {
    fn new() -> Self {
        let memory = vec![0; BUFFER_SIZE + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        Self { memory, start }
    }

    fn fill(&mut self, bytes: &[u8]) -> &[u8] {
        let filled = &mut self.memory[self.start..][..bytes.len()];
        filled.copy_from_slice(bytes);
        filled
    }
}

#[cfg(target_os = "linux")]
fn open(path: &FsPath) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .custom_flags(nix::fcntl::OFlag::O_DIRECT.bits())
        .open(path)
        .ok()
}

#[cfg(not(target_os = "linux"))]
fn open(_: &FsPath) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_blocks_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"").unwrap();
        let Some(file) = DirectFile::open(&path) else {
            // The file system does not support direct I/O.
            return;
        };
        let data = vec![7; 3 * BUFFER_SIZE + BLOCK + 1];
        assert_eq!(file.write(&data[..BLOCK - 1], 0).unwrap(), 0);
        assert_eq!(file.write(&data, 1).unwrap(), 0);
        assert_eq!(path.metadata().unwrap().len(), 0);
        let written = file.write(&data, BLOCK as u64).unwrap();
        assert!([0, data.len() - 1].contains(&written), "{written}");
        if written > 0 {
            let found = std::fs::read(&path).unwrap();
            assert!(found == [vec![0; BLOCK], vec![7; written]].concat());
        }
        assert_eq!(file.buffers().len(), 1, "the buffer is reused");
    }
}
