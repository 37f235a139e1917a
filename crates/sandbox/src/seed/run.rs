//! From the generator into a database: everything or nothing, rows made on one thread while the
//! rows before them are sent on another.

use super::{MessageBatch, SeedError, Seeder};
use exports_domain::{Direction, ProjectId};
use tokio::sync::mpsc;

use crate::generator::{Messages, Plan};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeded {
    /// Outbound messages.
    pub outbound: u64,
    /// Inbound messages.
    pub inbound: u64,
    /// The project's endpoints.
    pub endpoints: usize,
}

/// Large enough that a send is worth its system call, small enough that progress is smooth.
const BATCH_BYTES: usize = 512 * 1024;
/// Room for the row that goes over the size.
const BATCH_ROOM: usize = BATCH_BYTES + 4096;
/// Batches that wait to be sent: the maker neither stands still nor runs away.
const BATCHES_AHEAD: usize = 4;

/// Writes the messages of a plan, and the project's endpoints, into the database of the messages.
/// `on_progress` is told after every batch how many messages are sent.
///
/// The project itself is not looked at: it is the service's database's.
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
    let maker = tokio::task::spawn_blocking(move || make(messages, &owner, &ready));
    let mut sent = 0;
    while let Some(batch) = batches.recv().await {
        sent += MessageBatch::rows(&batch);
        copy.send(batch).await?;
        on_progress(sent);
    }
    // The maker ended the channel by ending; it can end only so or by a panic, which goes on here.
    let outbound = match maker.await {
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

/// Makes all batches, or as many as somebody takes. Gives how many of the messages are outbound.
fn make(messages: Messages, project: &ProjectId, batches: &mpsc::Sender<MessageBatch>) -> u64 {
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
    // Nobody to take it is the receiver's failure, which it tells itself.
    let _ = batches.blocking_send(batch);
    outbound
}
