//! Writing past the page cache, where the operating system and the file system can do it.
//!
//! The disk takes whole blocks from memory that begins at a block: a part is copied piece by piece
//! into such memory. What is not a whole block is left to the caller.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path as FsPath;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A multiple of every block size in use, and the size of a page.
const BLOCK: usize = 4096;
/// Copied and written at a time: enough for the disk, few enough to stay in the processor's cache.
const PIECE: usize = 1024 * 1024;

/// A file that is written to without the page cache.
#[derive(Debug)]
pub(super) struct DirectFile {
    file: File,
    /// Memory that waits for its next use, one for each part that is written at the same time.
    pieces: Mutex<Vec<Piece>>,
}

/// Memory for [`PIECE`] bytes, from where in it a block can begin.
#[derive(Debug)]
struct Piece {
    memory: Vec<u8>,
    start: usize,
}

impl DirectFile {
    /// `None` where there is no such thing.
    pub(super) fn open(path: &FsPath) -> Option<Self> {
        let file = open(path)?;
        let pieces = Mutex::default();
        Some(Self { file, pieces })
    }

    /// Writes as many whole blocks as `data` has, and tells how many bytes these are; none, if
    /// `offset` is within a block, or the file system refuses after all.
    pub(super) fn write(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let length = data.len() - data.len() % BLOCK;
        if length == 0 || !offset.is_multiple_of(BLOCK as u64) {
            return Ok(0);
        }
        let mut piece = self.pieces().pop().unwrap_or_else(Piece::new);
        let mut at = offset;
        for bytes in data[..length].chunks(PIECE) {
            match self.file.write_all_at(piece.filled_with(bytes), at) {
                // "The alignment is not what the file system wants": it may want even more.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
                written => written?,
            }
            at += bytes.len() as u64;
        }
        self.pieces().push(piece);
        // No more than `length`, which is a usize.
        #[expect(clippy::cast_possible_truncation, reason = "at most the data's length")]
        Ok((at - offset) as usize)
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Piece {
    fn new() -> Self {
        let memory = vec![0; PIECE + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        Self { memory, start }
    }

    fn filled_with(&mut self, bytes: &[u8]) -> &[u8] {
        let piece = &mut self.memory[self.start..][..bytes.len()];
        piece.copy_from_slice(bytes);
        piece
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
    fn what_is_no_whole_block_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"").unwrap();
        let Some(file) = DirectFile::open(&path) else {
            // Nothing to test on a file system that has no such thing.
            return;
        };
        let data = vec![7; 3 * PIECE + BLOCK + 1];
        assert_eq!(file.write(&data[..BLOCK - 1], 0).unwrap(), 0);
        assert_eq!(file.write(&data, 1).unwrap(), 0);
        assert_eq!(path.metadata().unwrap().len(), 0);
        let written = file.write(&data, BLOCK as u64).unwrap();
        assert!([0, data.len() - 1].contains(&written), "{written}");
        if written > 0 {
            let found = std::fs::read(&path).unwrap();
            assert!(found == [vec![0; BLOCK], vec![7; written]].concat());
        }
        assert_eq!(file.pieces().len(), 1, "used again");
    }
}
