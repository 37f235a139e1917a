//! A TCP proxy that makes a server distant: bytes arrive later, and a connection has a limited rate.
//!
//! It models a line and not a slow server. Every byte has its own time of arrival, so any number of bytes is under way at the
//! same time, and the delay does not limit the rate. Opening a connection takes a round trip, as it does over a real line.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The most bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// The bytes under way in one direction of a connection, in addition to those that the delay and the rate need.
const BUFFER: usize = 1024 * 1024;
/// For a line without a rate: 1 GB/s.
const UNLIMITED: u64 = 1_000_000_000;

/// How distant a server is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Distance {
    /// The time from a request to its answer, without the time of the server.
    pub round_trip: Duration,
    /// The rate of one connection in each direction. `None`: no limit.
    pub bytes_per_second: Option<u64>,
}

/// The proxy. The drop closes all connections.
#[derive(Debug)]
pub struct DistantServer {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Bytes and their time of arrival.
struct UnderWay {
    bytes: Bytes,
    arrival: Instant,
    _room: OwnedSemaphorePermit,
}

impl Distance {
    fn one_way(&self) -> Duration {
        self.round_trip / 2
    }

    /// The time that the line needs to take these bytes.
    fn time_of(&self, bytes: usize) -> Duration {
        match self.bytes_per_second {
            Some(rate) => {
                Duration::from_secs(bytes as u64) / u32::try_from(rate).unwrap_or(u32::MAX)
            }
            None => Duration::ZERO,
        }
    }

    /// The bytes that may be under way in one direction: like the window of a TCP connection that is large enough.
    fn window(&self) -> usize {
        let rate = self.bytes_per_second.unwrap_or(UNLIMITED);
        let under_way = u128::from(rate) * self.one_way().as_micros() / 1_000_000;
        usize::try_from(under_way).unwrap_or(BUFFER) + BUFFER
    }
}

impl DistantServer {
    /// A proxy to a server on this machine, on a free port of 127.0.0.1.
    pub async fn start(server: SocketAddr, distance: Distance) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, distance));
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, distance: Distance) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else {
                return;
            };
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // The client sends its first bytes only after a round trip, because the connection is opened before.
            let opened = Instant::now() + distance.round_trip;
            tokio::join!(
                relay(from_client, to_server, distance, opened),
                relay(from_server, to_client, distance, Instant::now()),
            );
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Relays one direction until its end. `free` is when the line can take the first byte.
async fn relay(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    distance: Distance,
    mut free: Instant,
) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<UnderWay>();
    let room = Arc::new(Semaphore::new(distance.window()));
    let reading = async move {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK);
            let Ok(count @ 1..) = from.read_buf(&mut buffer).await else {
                return;
            };
            // The line takes one byte after the other.
            free = free.max(Instant::now()) + distance.time_of(count);
            let needed = u32::try_from(count).unwrap_or(u32::MAX);
            let Ok(room) = room.clone().acquire_many_owned(needed).await else {
                return;
            };
            let under_way = UnderWay {
                bytes: buffer.split().freeze(),
                arrival: free + distance.one_way(),
                _room: room,
            };
            if sender.send(under_way).is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some(next) = receiver.recv().await {
            sleep_until(next.arrival).await;
            if to.write_all(&next.bytes).await.is_err() {
                return;
            }
        }
        to.shutdown().await.ok();
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTANCE: Distance = Distance {
        round_trip: Duration::from_millis(40),
        bytes_per_second: Some(80_000_000),
    };

    #[test]
    fn a_window_holds_what_is_under_way() {
        assert_eq!(DISTANCE.window(), 1_600_000 + BUFFER);
        assert_eq!(DISTANCE.time_of(8_000_000), Duration::from_millis(100));
    }

    #[tokio::test]
    async fn bytes_arrive_complete_and_not_before_their_time() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = listener.local_addr().unwrap();
        let echo = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            connection.read_to_end(&mut received).await.unwrap();
            connection.write_all(&received).await.unwrap();
        });
        let distant = DistantServer::start(server, DISTANCE).await.unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let begun = Instant::now();
        let mut client = TcpStream::connect(distant.address()).await.unwrap();
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        echo.await.unwrap();
        assert!(received == sent, "the bytes differ");
        // Opening, the way there and back, and the rate in both directions.
        let least = DISTANCE.round_trip * 2 + DISTANCE.time_of(sent.len()) * 2;
        assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    }
}
