//! zstd (RFC 8878): one frame, packed by the threads of libzstd.

use std::io;

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

/// The level. Measured with rows of this service: see `docs/formats.md`.
const LEVEL: i32 = 1;

/// The bytes that one thread packs at a time: as few as libzstd is efficient with, because it holds a few such pieces
/// in memory for each thread.
const JOB: u32 = 1024 * 1024;

/// The space, in bytes, that the compressor gets at a time.
const SPACE: usize = 256 * 1024;

/// libzstd has refused something: it is out of memory or threads.
#[derive(Debug, thiserror::Error)]
#[error("zstd: {0}")]
pub struct ZstdError(#[from] io::Error);

/// A frame that takes its bytes in order.
pub struct ZstdFrame(Encoder<'static>);

impl ZstdFrame {
    /// Starts a frame that `threads` threads pack; with 0, the thread of the caller packs it.
    pub fn new(threads: u32) -> Result<Self, ZstdError> {
        let mut encoder = Encoder::new(LEVEL)?;
        // Readers then notice damaged files.
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        if threads > 0 {
            encoder.set_parameter(CParameter::NbWorkers(threads))?;
            encoder.set_parameter(CParameter::JobSize(JOB))?;
        }
        Ok(Self(encoder))
    }

    /// Takes the next bytes, and appends what is packed so far to `output`. Waits while all threads are busy.
    pub fn push(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), ZstdError> {
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            self.step(output, |encoder, output| encoder.run(&mut input, output))?;
        }
        Ok(())
    }

    /// Appends the rest of the frame to `output`.
    pub fn finish(mut self, output: &mut Vec<u8>) -> Result<(), ZstdError> {
        while self.step(output, |encoder, output| encoder.finish(output, true))? > 0 {}
        Ok(())
    }

    fn step(
        &mut self,
        output: &mut Vec<u8>,
        run: impl FnOnce(&mut Encoder<'static>, &mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
    ) -> Result<usize, ZstdError> {
        output.reserve(SPACE);
        let at = output.len();
        Ok(run(&mut self.0, &mut OutBuffer::around_pos(output, at))?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn packed(threads: u32, pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut frame = ZstdFrame::new(threads).unwrap();
        let mut file = Vec::new();
        for piece in pieces {
            frame.push(piece, &mut file).unwrap();
        }
        frame.finish(&mut file).unwrap();
        file
    }

    /// The content of the first frame, and the bytes after it.
    fn unpacked(file: &[u8]) -> (Vec<u8>, usize) {
        let mut rest = file;
        let mut content = Vec::new();
        zstd::stream::read::Decoder::with_buffer(&mut rest)
            .unwrap()
            .single_frame()
            .read_to_end(&mut content)
            .unwrap();
        (content, rest.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_are_one_frame_with_their_bytes_in_order(
            threads in 0..3_u32,
            pieces in prop::collection::vec(("[a-d]{0,20}", 0..60_000_usize), 0..6),
        ) {
            let pieces: Vec<_> = pieces.iter().map(|(text, times)| text.repeat(*times).into_bytes()).collect();
            let (content, rest) = unpacked(&packed(threads, &pieces));
            prop_assert!(content == pieces.concat());
            prop_assert_eq!(rest, 0);
        }
    }
}
