//! COPY: streams the rows of a statement as raw bytes.

use std::fmt;

use postgres_protocol::message::backend::Message;

use super::connection::{Received, WireConnection};
use super::copy_frames::CopyFrames;
use crate::error::Error;

/// The bytes of a running COPY. The connection is usable again after all of them are read.
pub struct CopyStream<'a> {
    connection: &'a mut WireConnection,
    frames: CopyFrames,
    ended: bool,
}

impl WireConnection {
    /// Starts a `COPY … TO STDOUT`.
    pub async fn copy(&mut self, statement: &str) -> Result<CopyStream<'_>, Error> {
        self.send_query(statement).await?;
        match self.message().await? {
            Message::CopyOutResponse(_) => Ok(CopyStream {
                connection: self,
                frames: CopyFrames::default(),
                ended: false,
            }),
            _ => Err(Error::UnexpectedMessage),
        }
    }
}

impl CopyStream<'_> {
    /// Appends received bytes to `rows`, up to a total of `limit` bytes. Waits if none are received
    /// yet. Returns `false` at the end; then the connection is usable again.
    pub async fn read(&mut self, rows: &mut Vec<u8>, limit: usize) -> Result<bool, Error> {
        let before = rows.len();
        debug_assert!(before < limit, "`rows` is full");
        while !self.ended {
            let received = &mut self.connection.received;
            let is_other = self.frames.take(received, rows, limit)?;
            if rows.len() > before {
                return Ok(true);
            }
            if !is_other {
                self.connection.receive().await?;
                continue;
            }
            match self.connection.received_message()? {
                None => self.connection.receive().await?,
                Some(Received::Answer(Message::ReadyForQuery(_))) => {
                    self.connection.is_ready = true;
                    self.ended = true;
                }
                Some(
                    Received::Asynchronous
                    | Received::Answer(Message::CopyDone | Message::CommandComplete(_)),
                ) => {}
                Some(Received::Answer(_)) => return Err(Error::UnexpectedMessage),
            }
        }
        Ok(false)
    }
}

impl fmt::Debug for CopyStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyStream").finish_non_exhaustive()
    }
}
