//! Reads the rows of a COPY into chunks: nothing else, so that the connection is never kept
//! waiting by decoding, encoding or hashing.

use exports_storage::Error;
use exports_storage::source::RowStream;
use futures_util::TryStreamExt;
use tokio::sync::mpsc;

/// How many bytes of rows are handed on at a time: enough that handing on costs nothing, few
/// enough that many exports at a time fit into memory.
const CHUNK: usize = 128 * 1024;

/// Reads to the end, or until nobody takes the chunks any more. Calls `begun` once, when the first
/// row is there, or the end of none.
pub(crate) async fn read(
    mut rows: RowStream<'_>,
    chunks: mpsc::Sender<Vec<u8>>,
    begun: impl FnOnce(),
) -> Result<(), Error> {
    let mut begun = Some(begun);
    // A small export has a small chunk: its buffer grows as it needs.
    let mut chunk = Vec::new();
    while let Some(bytes) = rows.try_next().await? {
        if let Some(begun) = begun.take() {
            begun();
        }
        chunk.extend_from_slice(&bytes);
        if chunk.len() >= CHUNK {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK + CHUNK / 8));
            if chunks.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    // If nobody takes the last chunk, whoever stopped knows why.
    chunks.send(chunk).await.ok();
    Ok(())
}
