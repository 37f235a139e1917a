//! Writes generated messages into a database, in one transaction. One thread generates rows while another sends them.

use super::{MessageBatch, SeedError, Seeder};
use exports_domain::{Direction, ProjectId};
use tokio::sync::mpsc;

use crate::generator::{Messages, Plan};

/// The numbers of rows written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeded {
    /// Outbound messages.
    pub outbound: u64,
    /// Inbound messages.
    pub inbound: u64,
    /// The project's endpoints.
    pub endpoints: usize,
}

/// Large enough to need few system calls, small enough for a smooth progress bar.
const BATCH_BYTES: usize = 512 * 1024;
/// With space for the row that exceeds the size.
const BATCH_ROOM: usize = BATCH_BYTES + 4096;
/// Batches that wait to be sent (backpressure for the generator).
const BATCHES_AHEAD: usize = 4;

/// Writes the messages of a plan, and the project's endpoints, into the source database. After each batch it calls
/// `on_progress` with the number of messages sent.
///
/// It does not check the project, which is in the service's database.
pub async fn seed(
    source_url: &str,
    project: &ProjectId,
    plan: Plan,
    mut on_progress: impl FnMut(u64),
) -> Result<Seeded, SeedError> {
    let messages = Messages::new(project, plan);
    let endpoints = messages.endpoints().len();
    let mut seeder = Seeder::begin(source_url).await?;
    seeder.endpoints(project, messages.endpoints()).await?;
    let mut copy = seeder.messages().await?;
    let (ready, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let owner = project.clone();
    let generator = tokio::task::spawn_blocking(move || generate(messages, &owner, &ready));
    let mut sent = 0;
    while let Some(batch) = batches.recv().await {
        sent += MessageBatch::rows(&batch);
        copy.send(batch).await?;
        on_progress(sent);
    }
    // The channel is closed, so the generator has ended, or has panicked; the panic continues here.
    let outbound = match generator.await {
        Ok(outbound) => outbound,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let written = copy.finish().await?;
    seeder.commit().await?;
    Ok(Seeded {
        outbound,
        inbound: written - outbound,
        endpoints,
    })
}

/// Generates all batches, until the receiver is dropped. Returns the number of outbound messages.
fn generate(messages: Messages, project: &ProjectId, batches: &mpsc::Sender<MessageBatch>) -> u64 {
    let mut outbound = 0;
    let mut batch = MessageBatch::with_capacity(BATCH_ROOM);
    for message in messages {
        outbound += u64::from(message.direction == Direction::Outbound);
        batch.push(project, &message);
        if batch.size() >= BATCH_BYTES {
            let full = std::mem::replace(&mut batch, MessageBatch::with_capacity(BATCH_ROOM));
            if batches.blocking_send(full).is_err() {
                return outbound;
            }
        }
    }
    // Without a receiver, the receiver reports its own error.
    let _ = batches.blocking_send(batch);
    outbound
}
