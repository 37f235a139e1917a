//! gzip (RFC 1952): one member, whose blocks are packed independently of each other.
//!
//! Each piece of the file becomes DEFLATE blocks that refer to nothing before them and end at a byte boundary
//! (a sync flush). So pieces can be packed by different threads at the same time and then be joined. Their
//! checksums are combined without a second pass over the bytes.

use flate2::{Compress, Compression, Crc, FlushCompress};

/// The level of zlib. In `docs/formats.md` is how the levels compare: the first is a third larger than the second,
/// and those above it cost time for little.
const LEVEL: u32 = 2;

/// The least space, in bytes, that the compressor gets at a time.
const SPACE: usize = 64 * 1024;

/// Packs pieces. It can pack one after the other, in any order.
#[derive(Debug)]
pub struct Deflater(Compress);

/// What the end of the member must know about a piece.
#[derive(Debug, Default)]
pub struct Checksum(Crc);

/// The frame of a member: its start, and its end with the checksum of all pieces in order.
#[derive(Debug, Default)]
pub struct GzipMember(Crc);

impl Default for Deflater {
    fn default() -> Self {
        Self(Compress::new(Compression::new(LEVEL), false))
    }
}

impl Deflater {
    /// Appends the packed piece to `output`.
    ///
    /// # Panics
    ///
    /// Never: zlib has errors only for wrong parameters and for dictionaries.
    pub fn pack(&mut self, piece: &[u8], output: &mut Vec<u8>) -> Checksum {
        let mut crc = Crc::new();
        crc.update(piece);
        self.0.reset();
        output.reserve(piece.len() / 4 + SPACE);
        let mut rest = piece;
        loop {
            let before = self.0.total_in();
            self.0
                .compress_vec(rest, output, FlushCompress::Sync)
                .expect("the parameters are right, and there is space");
            let used = usize::try_from(self.0.total_in() - before).unwrap_or(rest.len());
            rest = &rest[used..];
            // Free space shows that nothing is held back.
            if rest.is_empty() && output.len() < output.capacity() {
                return Checksum(crc);
            }
            output.reserve(SPACE);
        }
    }
}

impl GzipMember {
    /// The bytes before the first piece: no name, no time, so that equal files stay equal.
    pub const START: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

    /// Adds the next piece, in the order of the file.
    pub fn add(&mut self, piece: &Checksum) {
        self.0.combine(&piece.0);
    }

    /// The bytes after the last piece: an empty block that is marked as the last one, the checksum, and the
    /// length modulo 2^32.
    #[must_use]
    pub fn end(&self) -> [u8; 10] {
        let mut end = [0; 10];
        end[0] = 3;
        end[2..6].copy_from_slice(&self.0.sum().to_le_bytes());
        end[6..].copy_from_slice(&self.0.amount().to_le_bytes());
        end
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::bufread::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn packed(pieces: &[Vec<u8>]) -> Vec<u8> {
        // Packed in another order than they are joined.
        let mut deflater = Deflater::default();
        let mut blocks: Vec<_> = pieces
            .iter()
            .rev()
            .map(|piece| {
                let mut block = Vec::new();
                let checksum = deflater.pack(piece, &mut block);
                (block, checksum)
            })
            .collect();
        blocks.reverse();
        let mut member = GzipMember::default();
        let mut file = GzipMember::START.to_vec();
        for (block, checksum) in blocks {
            member.add(&checksum);
            file.extend(block);
        }
        file.extend(member.end());
        file
    }

    /// The content of the first member, and the bytes after it.
    fn unpacked(file: &[u8]) -> (Vec<u8>, usize) {
        let mut decoder = GzDecoder::new(file);
        let mut content = Vec::new();
        decoder.read_to_end(&mut content).unwrap();
        (content, decoder.into_inner().len())
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2000),
            ("[a-d]{0,20}", 0..3000_usize)
                .prop_map(|(text, times)| text.repeat(times).into_bytes()),
        ]
    }

    proptest! {
        #[test]
        fn pieces_are_one_member_with_their_bytes_in_order(pieces in prop::collection::vec(piece(), 0..6)) {
            let file = packed(&pieces);
            prop_assert_eq!(unpacked(&file), (pieces.concat(), 0));
        }
    }

    #[test]
    fn a_piece_that_does_not_get_smaller_is_packed_whole() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .take(3_000_000)
        .collect();
        let file = packed(&[noise.clone(), Vec::new(), b"end".to_vec()]);
        assert!(file.len() > noise.len());
        assert!(unpacked(&file) == ([noise.as_slice(), b"end"].concat(), 0));
    }
}
