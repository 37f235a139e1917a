//! A minimal client of event streams.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Far larger than any expected event.
const LARGEST: usize = 64 * 1024;
/// The last chunk of a response.
const END: &[u8] = b"0\r\n\r\n";

/// An open stream of events.
#[derive(Debug)]
pub(super) struct EventStream {
    stream: TcpStream,
    received: Vec<u8>,
}

impl EventStream {
    /// Sends the request, and waits for the head of the response.
    pub(super) async fn open(address: SocketAddr, path: &str, key: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await;
        let mut stream = stream.with_context(|| format!("connecting to {address}"))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut this = Self {
            stream,
            received: Vec::new(),
        };
        let head = loop {
            if let Some(head) = this.take_until(b"\r\n\r\n") {
                break head;
            }
            ensure!(
                this.receive().await?,
                "the connection was closed before the head"
            );
        };
        ensure!(head.starts_with("HTTP/1.1 200 "), "no stream: {head}");
        Ok(this)
    }

    /// The data of the next event, as soon as it is received; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<String>> {
        loop {
            // An event is a chunk. What is around it, and comments, are lines without data.
            while let Some(block) = self.take_until(b"\n\n") {
                let data = block.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data {
                    return Ok(Some(data.to_owned()));
                }
            }
            if self.received.trim_ascii_start().starts_with(END) || !self.receive().await? {
                return Ok(None);
            }
        }
    }

    /// Takes the text until this end, without it.
    fn take_until(&mut self, end: &[u8]) -> Option<String> {
        let mut windows = self.received.windows(end.len());
        let length = windows.position(|window| window == end)?;
        let text = String::from_utf8_lossy(&self.received[..length]).into_owned();
        self.received.drain(..length + end.len());
        Some(text)
    }

    /// Receives more; false at the end of the connection.
    async fn receive(&mut self) -> Result<bool> {
        ensure!(
            self.received.len() < LARGEST,
            "an event is longer than {LARGEST} bytes"
        );
        Ok(self.stream.read_buf(&mut self.received).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn events_are_found_in_chunks_until_the_last_chunk() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 1000];
            assert!(connection.read(&mut request).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                1B\r\nevent: export\ndata: {\"a\":1}\n\n\r\n3\r\n:\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n";
            for part in answer.chunks(7) {
                connection.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            connection
        });
        let mut stream = EventStream::open(address, "/", "key").await.unwrap();
        assert_eq!(stream.next().await.unwrap().as_deref(), Some("{\"a\":1}"));
        assert_eq!(stream.next().await.unwrap().as_deref(), Some("2"));
        assert_eq!(stream.next().await.unwrap(), None);
        server.await.unwrap();
    }
}
