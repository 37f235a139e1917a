//! HTTP byte by byte, for requests that no HTTP library sends.

use bytes::Bytes;
use exports_tests::{Reply, TIMEOUT};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api::Api;

/// A connection to the API.
pub(crate) struct Wire(TcpStream);

impl Wire {
    pub(crate) async fn to(api: &Api) -> Self {
        let address = api.base().trim_start_matches("http://");
        Self(TcpStream::connect(address).await.expect("a connection"))
    }

    /// Sends bytes. Ignores errors, because the server may respond and close the connection before it has read all bytes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.ok();
    }

    /// Shuts down the write side. The read side stays open.
    pub(crate) async fn end(&mut self) {
        self.0.shutdown().await.ok();
    }

    /// The next response, or `None` if the connection is closed first.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        let mut seen = Vec::new();
        let head = loop {
            if let Some(end) = find(&seen, b"\r\n\r\n") {
                break end;
            }
            if self.read(&mut seen).await == 0 {
                return None;
            }
        };
        let (status, headers) = parse(std::str::from_utf8(&seen[..head]).expect("a head of ASCII"));
        let length = headers.get("content-length").map_or(0, |value| {
            value.to_str().unwrap().parse().expect("a number of bytes")
        });
        let begin = head + 4;
        while seen.len() < begin + length {
            assert_ne!(self.read(&mut seen).await, 0, "the body is complete");
        }
        assert_eq!(seen.len(), begin + length, "there is only one response");
        let body = Bytes::copy_from_slice(&seen[begin..]);
        Some(Reply {
            status,
            headers,
            body,
        })
    }

    /// Waits for the server to close the connection. Fails if it sends more bytes.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        assert_eq!(self.read(&mut rest).await, 0, "{rest:?}");
    }

    async fn read(&mut self, into: &mut Vec<u8>) -> usize {
        let read = timeout(TIMEOUT, self.0.read_buf(into)).await;
        // A reset counts as the end of the connection.
        read.expect("the server sends bytes or closes the connection")
            .unwrap_or(0)
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn parse(head: &str) -> (u16, HeaderMap) {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        })
        .collect();
    (status.parse().expect("a status"), headers)
}
