//! Our own connection: sends statements and reads their answers.

use std::fmt;
use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, ErrorResponseBody, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::Error;
use crate::server_error::ServerError;

/// The values of a row. `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// The maximum size of a read, in bytes.
pub(super) const READ: usize = 128 * 1024;

/// The maximum size of an answer that is no COPY, in bytes. A message's length is known before it is
/// received, so a larger one is never in memory.
pub(super) const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A connection that is logged in. After an I/O or protocol error it cannot be used any more.
pub struct WireConnection {
    socket: Box<dyn Socket>,
    /// Bytes that are received and not parsed yet.
    pub(super) received: BytesMut,
    /// Whether the last answer is complete.
    pub(super) is_ready: bool,
}

/// TCP, TLS, or a Unix-domain socket.
pub trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for T {}

/// A message of the server.
pub(super) enum Received {
    /// Part of an answer.
    Answer(Message),
    /// An asynchronous message: a notice, a changed setting, a notification.
    Asynchronous,
}

impl WireConnection {
    /// A connection over a socket that is logged in already.
    pub fn over(socket: impl Socket + 'static) -> Self {
        Self {
            socket: Box::new(socket),
            received: BytesMut::new(),
            is_ready: true,
        }
    }

    /// A connection over a socket, before the login.
    pub(super) fn before_login(socket: Box<dyn Socket>) -> Self {
        Self {
            socket,
            received: BytesMut::with_capacity(2 * READ),
            is_ready: false,
        }
    }

    /// Ends the session. No statement is open, so an error loses nothing.
    pub(crate) async fn close(mut self) {
        let mut message = BytesMut::new();
        frontend::terminate(&mut message);
        if self.send(&message).await.is_ok() {
            self.socket.shutdown().await.ok();
        }
    }

    /// The socket, and the bytes that are received and not parsed yet.
    pub(crate) fn into_parts(self) -> (Box<dyn Socket>, BytesMut) {
        (self.socket, self.received)
    }

    /// Whether the last answer was received completely, so that the server waits for a statement.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Runs statements, separated by semicolons. Returns the rows of all, each value as text. The
    /// connection stays usable if the server refuses a statement.
    pub async fn query(&mut self, statements: &str) -> Result<Vec<TextRow>, Error> {
        self.send_query(statements).await?;
        let mut rows = Vec::new();
        let mut size = 0;
        let mut refused = None;
        loop {
            match self.message().await {
                Ok(Message::ReadyForQuery(_)) => {
                    self.is_ready = true;
                    return refused.map_or(Ok(rows), Err);
                }
                Ok(Message::DataRow(row)) => {
                    size += row.buffer().len();
                    check_size(size)?;
                    rows.push(texts(&row)?);
                }
                Ok(_) => {}
                Err(error) if refused.is_none() && error.is_refused() => refused = Some(error),
                // If the server refuses a statement and then closes the connection, the refusal is the reason.
                Err(error) => return Err(refused.unwrap_or(error)),
            }
        }
    }

    /// The first value of the last row, if there is a row and the value is not NULL.
    pub async fn value(&mut self, statements: &str) -> Result<Option<String>, Error> {
        let last = self.query(statements).await?.pop();
        Ok(last.and_then(|row| row.into_iter().next().flatten()))
    }

    /// Whether the only value of a statement is true.
    pub async fn is_true(&mut self, statement: &str) -> Result<bool, Error> {
        Ok(self.value(statement).await?.as_deref() == Some("t"))
    }

    pub(super) async fn send_query(&mut self, statement: &str) -> Result<(), Error> {
        // The rest of the previous answer would be read as the answer to this statement.
        if !std::mem::take(&mut self.is_ready) {
            return Err(Error::UnexpectedMessage);
        }
        let mut message = BytesMut::new();
        frontend::query(statement, &mut message).map_err(io_error)?;
        self.send(&message).await
    }

    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.socket.write_all(message).await.map_err(io_error)?;
        self.socket.flush().await.map_err(io_error)
    }

    /// The next message that is part of an answer. An error message of the server is an `Err`.
    pub(super) async fn message(&mut self) -> Result<Message, Error> {
        loop {
            match self.received_message()? {
                None => self.receive().await?,
                Some(Received::Asynchronous) => {}
                Some(Received::Answer(message)) => return Ok(message),
            }
        }
    }

    /// The next message, if it is received completely.
    pub(super) fn received_message(&mut self) -> Result<Option<Received>, Error> {
        if let Some(&[_kind, length @ ..]) = self.received.first_chunk::<5>() {
            // A u32 fits: the smallest supported target has 32-bit addresses.
            check_size(u32::from_be_bytes(length) as usize)?;
        }
        match Message::parse(&mut self.received).map_err(|_| Error::UnexpectedMessage)? {
            None => Ok(None),
            Some(Message::ErrorResponse(body)) => Err(server_error(&body)),
            Some(
                Message::NoticeResponse(_)
                | Message::NotificationResponse(_)
                | Message::ParameterStatus(_),
            ) => Ok(Some(Received::Asynchronous)),
            Some(message) => Ok(Some(Received::Answer(message))),
        }
    }

    pub(super) async fn receive(&mut self) -> Result<(), Error> {
        self.received.reserve(READ);
        let count = self.socket.read_buf(&mut self.received).await;
        match count.map_err(io_error)? {
            0 => Err(io_error(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for WireConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireConnection").finish_non_exhaustive()
    }
}

fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_ANSWER {
        return Ok(());
    }
    Err(Error::AnswerTooLarge {
        limit_bytes: MAX_ANSWER,
    })
}

pub(super) fn server_error(body: &ErrorResponseBody) -> Error {
    ServerError::parse(body).map_or(Error::UnexpectedMessage, |error| {
        sqlx::Error::from(error).into()
    })
}

fn texts(row: &DataRowBody) -> Result<TextRow, Error> {
    let mut texts = TextRow::new();
    let mut ranges = row.ranges();
    while let Some(range) = ranges.next().map_err(|_| Error::UnexpectedMessage)? {
        let text = range.map(|range| String::from_utf8(row.buffer()[range].to_vec()));
        texts.push(text.transpose().map_err(|_| Error::UnexpectedMessage)?);
    }
    Ok(texts)
}

pub(super) fn io_error(error: io::Error) -> Error {
    sqlx::Error::Io(error).into()
}
