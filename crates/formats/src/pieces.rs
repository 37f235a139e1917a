//! Long texts are written and flushed piece by piece, so that no row is in memory twice.

use crate::Flush;

/// The longest text, in bytes, that is written in one piece.
pub(crate) const PIECE: usize = 64 * 1024;

/// Writes the pieces of a text.
pub(crate) fn push_in_pieces(
    file: &mut Vec<u8>,
    text: &[u8],
    flush: &mut Flush<'_>,
    push: impl Fn(&mut Vec<u8>, &[u8]),
) {
    if text.len() <= PIECE {
        return push(file, text);
    }
    for piece in text.chunks(PIECE) {
        if file.len() >= PIECE {
            flush(file);
        }
        push(file, piece);
    }
}
