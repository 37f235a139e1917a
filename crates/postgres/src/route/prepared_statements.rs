//! Makes prepared statements work behind a pooler in transaction mode (`PgBouncer`).
//!
//! sqlx prepares a statement once and then uses its name. The pooler may send that name to another
//! server connection, which does not know it. `PgBouncer` before 1.21 has no solution; later versions
//! need a setting. So the gateway remembers the texts and parses a statement again before each use,
//! without a name, in the same transaction.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::UnixStream;

use super::messages::put;
use crate::wire::Socket;

/// An answer that the server will send. They are in order.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// `ParseComplete` for the client.
    Parsed,
    /// `ParseComplete` for a message of the gateway, which the client must not see.
    ParsedByGateway,
    /// `ReadyForQuery`. After an error the server skips all answers before it.
    Ready,
}

type Answers = Mutex<VecDeque<Expected>>;

/// Forwards messages until one side closes.
pub(super) async fn forward(
    client: &mut UnixStream,
    server: &mut Box<dyn Socket>,
) -> io::Result<()> {
    let answers = Answers::default();
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let mut statements = Statements::default();
    tokio::select! {
        ended = pump(from_client, to_server, |message, out| {
            statements.rewrite(&message, out, &mut lock(&answers));
        }) => ended,
        ended = pump(from_server, to_client, |message, out| {
            if !is_hidden(message[0], &mut lock(&answers)) {
                out.extend_from_slice(&message);
            }
        }) => ended,
    }
}

fn lock(answers: &Answers) -> std::sync::MutexGuard<'_, VecDeque<Expected>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads complete messages and writes what `rewrite` makes of them.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut rewrite: impl FnMut(Bytes, &mut BytesMut),
) -> io::Result<()> {
    let (mut received, mut out) = (BytesMut::new(), BytesMut::new());
    while from.read_buf(&mut received).await? > 0 {
        while let Some(message) = next_message(&mut received)? {
            rewrite(message, &mut out);
        }
        to.write_all_buf(&mut out).await?;
        to.flush().await?;
    }
    Ok(())
}

/// The next message with its kind and length, if it is received completely.
fn next_message(received: &mut BytesMut) -> io::Result<Option<Bytes>> {
    let Some(mut length) = received.get(1..5) else {
        return Ok(None);
    };
    let length = usize::try_from(length.get_u32()).map_err(io::Error::other)?;
    if length < 4 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if received.len() <= length {
        received.reserve(length + 1 - received.len());
        return Ok(None);
    }
    Ok(Some(received.split_to(length + 1).freeze()))
}

/// Whether an answer is hidden from the client.
fn is_hidden(kind: u8, answers: &mut VecDeque<Expected>) -> bool {
    match kind {
        b'1' => answers.pop_front() == Some(Expected::ParsedByGateway),
        b'Z' => {
            // After an error, expected answers before this one do not come.
            while let Some(answer) = answers.pop_front() {
                if answer == Expected::Ready {
                    break;
                }
            }
            false
        }
        _ => false,
    }
}

/// The prepared statements of the client.
#[derive(Debug, Default)]
struct Statements {
    /// Text and parameter types, by name.
    texts: HashMap<Bytes, Bytes>,
    /// The statement that the server parsed last in this transaction.
    current: Option<Bytes>,
}

impl Statements {
    fn rewrite(&mut self, message: &Bytes, out: &mut BytesMut, answers: &mut VecDeque<Expected>) {
        let (kind, body) = (message[0], message.slice(5..));
        let rewritten = match kind {
            b'P' => self.parse(&body, out, answers),
            b'B' => self.bind(&body, out, answers),
            b'D' | b'C' if body.first() == Some(&b'S') => {
                self.describe_or_close(kind, &body, out, answers)
            }
            b'S' | b'Q' => {
                answers.push_back(Expected::Ready);
                self.current = None;
                None
            }
            _ => None,
        };
        if rewritten.is_none() {
            out.extend_from_slice(message);
        }
    }

    /// `Parse`: name, text, types.
    fn parse(
        &mut self,
        body: &Bytes,
        out: &mut BytesMut,
        answers: &mut VecDeque<Expected>,
    ) -> Option<()> {
        let (name, rest) = text(body)?;
        put(out, b'P', &[b"\0", &rest]);
        answers.push_back(Expected::Parsed);
        self.texts.insert(name.clone(), rest);
        self.current = Some(name);
        Some(())
    }

    /// `Bind`: portal, name of the statement, values.
    fn bind(
        &mut self,
        body: &Bytes,
        out: &mut BytesMut,
        answers: &mut VecDeque<Expected>,
    ) -> Option<()> {
        let (portal, rest) = text(body)?;
        let (name, rest) = text(&rest)?;
        self.make_current(&name, out, answers)?;
        put(out, b'B', &[&portal, b"\0\0", &rest]);
        Some(())
    }

    /// `Describe` or `Close` of a statement.
    fn describe_or_close(
        &mut self,
        kind: u8,
        body: &Bytes,
        out: &mut BytesMut,
        answers: &mut VecDeque<Expected>,
    ) -> Option<()> {
        let (name, _) = text(&body.slice(1..))?;
        if kind == b'C' {
            self.texts.remove(&name);
            self.current = None;
        } else {
            self.make_current(&name, out, answers)?;
        }
        put(out, kind, &[b"S\0"]);
        Some(())
    }

    /// Parses the statement if it is not the current one. `None` if the client has not prepared it:
    /// then the server reports the error.
    fn make_current(
        &mut self,
        name: &Bytes,
        out: &mut BytesMut,
        answers: &mut VecDeque<Expected>,
    ) -> Option<()> {
        if self.current.as_ref() != Some(name) {
            put(out, b'P', &[b"\0", self.texts.get(name)?]);
            answers.push_back(Expected::ParsedByGateway);
            self.current = Some(name.clone());
        }
        Some(())
    }
}

/// A NUL-terminated text, and the bytes after it.
fn text(body: &Bytes) -> Option<(Bytes, Bytes)> {
    let end = body.iter().position(|byte| *byte == 0)?;
    Some((body.slice(..end), body.slice(end + 1..)))
}
