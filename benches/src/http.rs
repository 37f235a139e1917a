//! A minimal HTTP/1.1 client over one persistent connection, so that the benchmark does not measure its client.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Far larger than any expected response.
const LARGEST: usize = 64 * 1024;

/// An idle connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A response. Its body stays in the buffer of the connection until the next request.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// The parts of a response.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// The length of the head with the empty line.
    length: usize,
    body_length: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and waits for the whole response.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            self.receive().await?;
            if let Some(head) = Head::find(&self.received)? {
                break head;
            }
        };
        let length = head.length + head.body_length;
        while self.received.len() < length {
            self.receive().await?;
        }
        ensure!(
            self.received.len() == length,
            "the body is longer than content-length: {}",
            self.received.escape_ascii()
        );
        Ok(Answer {
            status: head.status,
            body: &self.received[head.length..],
        })
    }

    async fn receive(&mut self) -> Result<()> {
        ensure!(
            self.received.len() < LARGEST,
            "the response is longer than {LARGEST} bytes"
        );
        if self.stream.read_buf(&mut self.received).await? == 0 {
            bail!(
                "the connection was closed after {:?}",
                self.received.escape_ascii().to_string()
            );
        }
        Ok(())
    }
}

impl Head {
    /// `None` if it is incomplete.
    fn find(received: &[u8]) -> Result<Option<Self>> {
        let end = received.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            return Ok(None);
        };
        let head = str::from_utf8(&received[..end])?;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        let status = status
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .with_context(|| format!("no status line: {status:?}"))?;
        let body_length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .with_context(|| format!("no content-length in {head:?}"))?;
        Ok(Some(Self {
            status,
            length: end + 4,
            body_length,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        for end in 0..answer.len() - 2 {
            assert_eq!(Head::find(&answer[..end]).unwrap(), None);
        }
        let head = Head {
            status: 201,
            length: answer.len() - 2,
            body_length: 2,
        };
        assert_eq!(Head::find(answer).unwrap(), Some(head));
    }

    #[test]
    fn what_is_no_answer_of_known_length_is_an_error() {
        for bad in [
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        ] {
            assert!(Head::find(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
