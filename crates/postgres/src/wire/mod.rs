//! A connection of our own to the source, for the bulk of an export's rows.
//!
//! sqlx reads 8 KiB at a time and hands over every row as a message with a life of its own, which
//! costs a worker more than decoding and encoding the rows. This connection reads as much as there
//! is and passes it on as it comes. It can do what sessions need and no more: log in, run
//! statements, COPY.
//!
//! `open` finds the server, `login` authenticates the user, `rows` takes the rows out of a COPY's
//! messages, `server_error` is what the server says when it refuses.

mod login;
mod connect;
mod copy_frames;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::Error;
use crate::server_error;
use copy_frames::CopyFrames;

pub(crate) use login::SessionInfo;
pub(crate) use connect::{Opened, open, reason_of};

/// A row of an answer, value by value; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// The most that is read at a time, in bytes.
const READ: usize = 128 * 1024;

/// A connection that is logged in. After an error it is of no use.
pub struct WireConnection {
    socket: Box<dyn Socket>,
    /// What has come and was not looked at yet.
    received: BytesMut,
    /// The last answer has come to its end.
    is_ready: bool,
}

/// TCP, TLS, or a Unix-domain socket.
pub trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for T {}

/// A message of the server.
enum Received {
    /// Part of an answer.
    Answer(Message),
    /// What it may send at any time: a notice or warning, a changed setting, a notification.
    Aside,
}

/// The bytes of a COPY that is under way. Read them to their end, or drop the connection.
pub struct CopyStream<'a> {
    connection: &'a mut WireConnection,
    frames: CopyFrames,
    ended: bool,
}

impl WireConnection {
    /// A connection over a socket on which somebody has logged in.
    pub fn over(socket: impl Socket + 'static) -> Self {
        Self {
            socket: Box::new(socket),
            received: BytesMut::new(),
            is_ready: true,
        }
    }

    /// Ends the session. Nothing was asked, so nothing can be lost with an error.
    pub(crate) async fn close(mut self) {
        let mut message = BytesMut::new();
        frontend::terminate(&mut message);
        if self.send(&message).await.is_ok() {
            self.socket.shutdown().await.ok();
        }
    }

    /// The connection, for another protocol handler, and what has come over it already.
    pub(crate) fn into_parts(self) -> (Box<dyn Socket>, BytesMut) {
        (self.socket, self.received)
    }

    /// Runs statements, separated by semicolons. Gives the rows of all, every value as text. After a
    /// statement that the server refused, the connection is ready for the next.
    pub async fn query(&mut self, statements: &str) -> Result<Vec<TextRow>, Error> {
        self.ask(statements).await?;
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            match self.message().await {
                Ok(Message::ReadyForQuery(_)) => {
                    self.is_ready = true;
                    return refused.map_or(Ok(rows), Err);
                }
                Ok(Message::DataRow(row)) => rows.push(texts(&row)?),
                Ok(_) => {}
                Err(error) if refused.is_none() && error.is_refused() => refused = Some(error),
                // Of a server that refuses and closes the connection, the reason counts.
                Err(error) => return Err(refused.unwrap_or(error)),
            }
        }
    }

    /// The first value of the last row, if it is there and not NULL.
    pub async fn value(&mut self, statements: &str) -> Result<Option<String>, Error> {
        let last = self.query(statements).await?.pop();
        Ok(last.and_then(|row| row.into_iter().next().flatten()))
    }

    /// Whether a statement's one value is true.
    pub async fn is_true(&mut self, statement: &str) -> Result<bool, Error> {
        Ok(self.value(statement).await?.as_deref() == Some("t"))
    }

    /// Starts a COPY to us.
    pub async fn copy(&mut self, statement: &str) -> Result<CopyStream<'_>, Error> {
        self.ask(statement).await?;
        match self.message().await? {
            Message::CopyOutResponse(_) => Ok(CopyStream {
                connection: self,
                frames: CopyFrames::default(),
                ended: false,
            }),
            _ => Err(out_of_step()),
        }
    }

    async fn ask(&mut self, statement: &str) -> Result<(), Error> {
        // What comes next would be taken for the answer.
        if !std::mem::take(&mut self.is_ready) {
            return Err(out_of_step());
        }
        let mut message = BytesMut::new();
        frontend::query(statement, &mut message).map_err(io_error)?;
        self.send(&message).await
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.socket.write_all(message).await.map_err(io_error)?;
        self.socket.flush().await.map_err(io_error)
    }

    /// The next message that is part of an answer; an error of the server's is one here.
    async fn message(&mut self) -> Result<Message, Error> {
        loop {
            match self.received_message()? {
                None => self.receive().await?,
                Some(Received::Aside) => {}
                Some(Received::Answer(message)) => return Ok(message),
            }
        }
    }

    /// The next message, if all of it has come.
    fn received_message(&mut self) -> Result<Option<Received>, Error> {
        match Message::parse(&mut self.received).map_err(|_| out_of_step())? {
            None => Ok(None),
            Some(Message::ErrorResponse(body)) => Err(server_error::of(&body)),
            Some(
                Message::NoticeResponse(_)
                | Message::NotificationResponse(_)
                | Message::ParameterStatus(_),
            ) => Ok(Some(Received::Aside)),
            Some(message) => Ok(Some(Received::Answer(message))),
        }
    }

    async fn receive(&mut self) -> Result<(), Error> {
        self.received.reserve(READ);
        let count = self.socket.read_buf(&mut self.received).await;
        match count.map_err(io_error)? {
            0 => Err(io_error(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }
}

impl CopyStream<'_> {
    /// Appends what has come, until `rows` have `limit` bytes, and waits for something if nothing
    /// has. `false` at the end, when the connection is ready for the next statement.
    pub async fn read(&mut self, rows: &mut Vec<u8>, limit: usize) -> Result<bool, Error> {
        let before = rows.len();
        debug_assert!(before < limit, "there is no room");
        while !self.ended {
            let received = &mut self.connection.received;
            let others = self.frames.take(received, rows, limit)?;
            if rows.len() > before {
                return Ok(true);
            }
            if !others {
                self.connection.receive().await?;
                continue;
            }
            match self.connection.received_message()? {
                None => self.connection.receive().await?,
                Some(Received::Answer(Message::ReadyForQuery(_))) => {
                    self.connection.is_ready = true;
                    self.ended = true;
                }
                // More rows may follow what came aside.
                Some(
                    Received::Aside
                    | Received::Answer(Message::CopyDone | Message::CommandComplete(_)),
                ) => {}
                Some(Received::Answer(_)) => return Err(out_of_step()),
            }
        }
        Ok(false)
    }
}

impl fmt::Debug for WireConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireConnection").finish_non_exhaustive()
    }
}

impl fmt::Debug for CopyStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyStream").finish_non_exhaustive()
    }
}

fn texts(row: &DataRowBody) -> Result<TextRow, Error> {
    let mut texts = TextRow::new();
    let mut ranges = row.ranges();
    while let Some(range) = ranges.next().map_err(|_| out_of_step())? {
        let text = range.map(|range| String::from_utf8(row.buffer()[range].to_vec()));
        texts.push(text.transpose().map_err(|_| out_of_step())?);
    }
    Ok(texts)
}

fn io_error(error: io::Error) -> Error {
    sqlx::Error::Io(error).into()
}

/// The server says what does not belong here.
fn out_of_step() -> Error {
    Error::UnexpectedMessage
}
