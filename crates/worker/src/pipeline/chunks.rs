//! Reads the rows of a COPY into chunks, and does nothing else: the connection never waits for decoding,
//! encoding or hashing.

use exports_postgres::CopyStream;
use exports_source::Error;
use tokio::sync::mpsc;

use crate::pipeline::buffer_pool::{Buffer, BufferPool};

/// The size of a chunk in bytes. Large enough that sending it between tasks costs nothing; small enough
/// for many exports at the same time.
const CHUNK: usize = 128 * 1024;

/// Reads until the end of the COPY, or until the channel is closed. Calls `on_first_row` once: at the
/// first row, or at the end of a COPY without rows.
pub(crate) async fn read(
    mut rows: CopyStream<'_>,
    chunks: mpsc::Sender<Buffer>,
    buffers: &BufferPool,
    on_first_row: impl FnOnce(),
) -> Result<(), Error> {
    let mut chunk = buffers.take();
    let mut on_first_row = Some(on_first_row);
    while rows.read(&mut chunk, CHUNK).await? {
        if let Some(on_first_row) = on_first_row.take() {
            on_first_row();
        }
        if chunk.len() >= CHUNK {
            let full = std::mem::replace(&mut chunk, buffers.take());
            if chunks.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    // If the channel is closed, the encoder reports the reason.
    chunks.send(chunk).await.ok();
    Ok(())
}
