//! Reads the rows of a COPY into chunks: nothing else, so that the connection is never kept
//! waiting by decoding, encoding or hashing.

use exports_postgres::CopyStream;
use exports_source::Error;
use tokio::sync::mpsc;

use crate::pipeline::buffer_pool::{Buffer, BufferPool};

/// How many bytes of rows are handed on at a time: enough that handing on costs nothing, few
/// enough that many exports at a time fit into memory.
const CHUNK: usize = 128 * 1024;

/// Reads to the end, or until nobody takes the chunks any more. Calls `begun` once, when the first
/// row is there, or the end of none.
pub(crate) async fn read(
    mut rows: CopyStream<'_>,
    chunks: mpsc::Sender<Buffer>,
    buffers: &BufferPool,
    begun: impl FnOnce(),
) -> Result<(), Error> {
    let mut chunk = buffers.take();
    let mut begun = Some(begun);
    while rows.read(&mut chunk, CHUNK).await? {
        if let Some(begun) = begun.take() {
            begun();
        }
        if chunk.len() >= CHUNK {
            let full = std::mem::replace(&mut chunk, buffers.take());
            if chunks.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    // If nobody takes the last chunk, whoever stopped knows why.
    chunks.send(chunk).await.ok();
    Ok(())
}
