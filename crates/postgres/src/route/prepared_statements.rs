//! Prepared statements behind a pooler that shares its connections.
//!
//! sqlx prepares a statement once and then only names it. A pooler in transaction mode
//! (`PgBouncer`) may pass that name to another server connection, which does not know it; versions
//! before 1.21 never take care of that, later ones only if they are told to. Here every use of a
//! statement is preceded by its text, in the same transaction: the server only sees unnamed
//! statements, parsed where they are used.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::UnixStream;

use crate::wire::Socket;

/// What the server will answer, in this order.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// That it has parsed what the client sent.
    Parsed,
    /// That it has parsed what was put in between, which the client does not know of.
    ParsedInBetween,
    /// That it is ready: the end of what belongs together, and of an error's consequences.
    Ready,
}

type Answers = Mutex<VecDeque<Expected>>;

/// Passes messages on until one side ends.
pub(super) async fn pass_on(
    client: &mut UnixStream,
    server: &mut Box<dyn Socket>,
) -> io::Result<()> {
    let answers = Answers::default();
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let mut statements = Statements::default();
    tokio::select! {
        ended = pump(from_client, to_server, |message, out| {
            statements.pass(&message, out, &mut lock(&answers));
        }) => ended,
        ended = pump(from_server, to_client, |message, out| {
            if !is_hidden(message[0], &mut lock(&answers)) {
                out.extend_from_slice(&message);
            }
        }) => ended,
    }
}

/// Nothing panics while it is held.
fn lock(answers: &Answers) -> std::sync::MutexGuard<'_, VecDeque<Expected>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads whole messages and writes what becomes of them.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut pass: impl FnMut(Bytes, &mut BytesMut),
) -> io::Result<()> {
    let (mut received, mut out) = (BytesMut::new(), BytesMut::new());
    while from.read_buf(&mut received).await? > 0 {
        while let Some(message) = next_message(&mut received)? {
            pass(message, &mut out);
        }
        to.write_all_buf(&mut out).await?;
        to.flush().await?;
    }
    Ok(())
}

/// A message with its kind and length, once all of it has come.
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

/// Whether the client must not see an answer of the server.
fn is_hidden(kind: u8, answers: &mut VecDeque<Expected>) -> bool {
    match kind {
        b'1' => answers.pop_front() == Some(Expected::ParsedInBetween),
        b'Z' => {
            // After an error there are no more answers before this one.
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

/// The statements that the client believes to be prepared.
#[derive(Debug, Default)]
struct Statements {
    /// Text and types, by name.
    texts: HashMap<Bytes, Bytes>,
    /// The one that the server has parsed last since it was ready.
    current: Option<Bytes>,
}

impl Statements {
    fn pass(&mut self, message: &Bytes, out: &mut BytesMut, answers: &mut VecDeque<Expected>) {
        let (kind, body) = (message[0], message.slice(5..));
        let passed = match kind {
            b'P' => self.parse(&body, out, answers),
            b'B' => self.bind(&body, out, answers),
            b'D' | b'C' if body.first() == Some(&b'S') => self.name(kind, &body, out, answers),
            b'S' | b'Q' => {
                answers.push_back(Expected::Ready);
                self.current = None;
                None
            }
            _ => None,
        };
        if passed.is_none() {
            out.extend_from_slice(message);
        }
    }

    /// Name, text, types.
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

    /// Portal, name of the statement, values.
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

    /// Describes or closes a statement.
    fn name(
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

    /// `None` if the client has not prepared it: the server says so.
    fn make_current(
        &mut self,
        name: &Bytes,
        out: &mut BytesMut,
        answers: &mut VecDeque<Expected>,
    ) -> Option<()> {
        if self.current.as_ref() != Some(name) {
            put(out, b'P', &[b"\0", self.texts.get(name)?]);
            answers.push_back(Expected::ParsedInBetween);
            self.current = Some(name.clone());
        }
        Some(())
    }
}

/// A text that ends with a NUL, without it, and what follows.
fn text(body: &Bytes) -> Option<(Bytes, Bytes)> {
    let end = body.iter().position(|byte| *byte == 0)?;
    Some((body.slice(..end), body.slice(end + 1..)))
}

fn put(out: &mut BytesMut, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.put_u8(kind);
    // No longer than the message that it comes from, but for two bytes.
    out.put_u32(u32::try_from(length + 4).unwrap_or(u32::MAX));
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        put(&mut out, kind, &[body]);
        out.freeze()
    }

    /// What the server gets for these messages, each as its kind and body.
    fn passed(
        statements: &mut Statements,
        answers: &mut VecDeque<Expected>,
        sent: &[(u8, &[u8])],
    ) -> Vec<(u8, Vec<u8>)> {
        let mut out = BytesMut::new();
        for (kind, body) in sent {
            statements.pass(&message(*kind, body), &mut out, answers);
        }
        let mut passed = Vec::new();
        while let Some(message) = next_message(&mut out).unwrap() {
            passed.push((message[0], message[5..].to_vec()));
        }
        passed
    }

    #[test]
    fn every_use_of_a_statement_comes_with_its_text() {
        let (mut statements, mut answers) = (Statements::default(), VecDeque::new());
        let prepared = passed(
            &mut statements,
            &mut answers,
            &[
                (b'P', b"s_1\0SELECT 1\0\0\0"),
                (b'D', b"Ss_1\0"),
                (b'S', b""),
            ],
        );
        let parse = (b'P', b"\0SELECT 1\0\0\0".to_vec());
        assert_eq!(
            prepared,
            [parse.clone(), (b'D', b"S\0".to_vec()), (b'S', Vec::new())]
        );
        assert!(!is_hidden(b'1', &mut answers) && !is_hidden(b'Z', &mut answers));

        for _ in 0..2 {
            let used = passed(
                &mut statements,
                &mut answers,
                &[(b'B', b"\0s_1\0values"), (b'E', b"\0\0\0\0\0"), (b'S', b"")],
            );
            assert_eq!(used[..2], [parse.clone(), (b'B', b"\0\0values".to_vec())]);
            assert!(is_hidden(b'1', &mut answers));
            // An error, and nothing is expected any more.
            assert!(!is_hidden(b'E', &mut answers) && !is_hidden(b'Z', &mut answers));
            assert!(answers.is_empty());
        }

        let closed = passed(
            &mut statements,
            &mut answers,
            &[(b'C', b"Ss_1\0"), (b'S', b"")],
        );
        assert_eq!(closed[0], (b'C', b"S\0".to_vec()));
        // Now it is the server's to say that there is none.
        let unknown = passed(&mut statements, &mut answers, &[(b'B', b"\0s_1\0")]);
        assert_eq!(unknown, [(b'B', b"\0s_1\0".to_vec())]);
    }

    #[test]
    fn messages_are_whole_wherever_they_are_cut() {
        let whole = [
            message(b'1', b""),
            message(b'D', b"row"),
            message(b'Z', b"I"),
        ]
        .concat();
        for cut in 0..whole.len() {
            let mut received = BytesMut::from(&whole[..cut]);
            let mut kinds = Vec::new();
            for rest in [&whole[cut..], &[]] {
                while let Some(message) = next_message(&mut received).unwrap() {
                    kinds.push(message[0]);
                }
                received.extend_from_slice(rest);
            }
            assert_eq!(kinds, b"1DZ", "{cut}");
        }
        assert!(next_message(&mut BytesMut::from(&b"D\0\0\0\x01"[..])).is_err());
    }
}
