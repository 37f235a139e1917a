//! Reads the rows of a COPY into chunks, and does nothing else: the connection never waits for decoding,
//! encoding or hashing.

use exports_source::{Error, SourceRows};
use tokio::sync::mpsc;

use crate::job::SharedProgress;
use crate::pipeline::buffer_pool::{Buffer, BufferPool};

/// The size of a chunk in bytes. Large enough that sending it between tasks costs nothing; small enough
/// for many exports at the same time.
const CHUNK: usize = 128 * 1024;

/// Reads until the end of the COPY, or until the channel is closed. Calls `on_first_row` once: at the
/// first row, or at the end of a COPY without rows.
pub(crate) async fn read(
    mut rows: SourceRows<'_>,
    chunks: mpsc::Sender<Buffer>,
    buffers: &BufferPool,
    progress: &SharedProgress,
    on_first_row: impl FnOnce(),
) -> Result<(), Error> {
    let mut chunk = buffers.take();
    let mut on_first_row = Some(on_first_row);
    let mut received = 0;
    while rows.read(&mut chunk, CHUNK).await? {
        progress.add_received(chunk.len() - received);
        received = chunk.len();
        if let Some(on_first_row) = on_first_row.take() {
            on_first_row();
        }
        if chunk.len() >= CHUNK {
            let full = std::mem::replace(&mut chunk, buffers.take());
            received = 0;
            if chunks.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    // If the channel is closed, the encoder reports the reason.
    chunks.send(chunk).await.ok();
    Ok(())
}
