//! The byte stream to a server: TCP or a Unix socket, with or without TLS.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::connection::Socket;
use super::keepalive;
use crate::address::{Address, Endpoint, Host, TcpTimeouts};
use crate::error::Error;
use crate::tls::{self, TlsInfo};

/// The text of the error if a host name has no address.
pub(super) const UNRESOLVED: &str = "the host name cannot be resolved";

/// A byte stream to a server, before the login.
pub(super) struct Transport {
    pub(super) socket: Box<dyn Socket>,
    pub(super) tls: Option<TlsInfo>,
}

/// Connects without TLS.
pub(super) async fn plain(
    host: &Host,
    timeouts: &TcpTimeouts,
    deadline: Instant,
) -> Result<Transport, Error> {
    let socket: Box<dyn Socket> = match &host.endpoint {
        Endpoint::Unix(directory) => Box::new(unix(directory, host.port).await?),
        Endpoint::Tcp(to) => Box::new(tcp(to, host.port, timeouts, deadline).await?),
    };
    Ok(Transport { socket, tls: None })
}

/// Connects with TLS. If TLS is not `required` and the server offers none, without.
pub(super) async fn encrypted(
    address: &Address,
    host: &Host,
    required: bool,
    deadline: Instant,
) -> Result<Transport, Error> {
    let (settings, timeouts) = (&address.tls, &address.tcp_timeouts);
    let Endpoint::Tcp(to) = &host.endpoint else {
        return plain(host, timeouts, deadline).await;
    };
    let mut socket = tcp(to, host.port, timeouts, deadline).await?;
    if !settings.is_direct && !offers_tls(&mut socket).await.map_err(from_io)? {
        if required {
            return Err(Error::connecting(
                io::ErrorKind::Unsupported,
                "the server does not support TLS: enable it there, or use sslmode=disable in a trusted network",
            ));
        }
        let socket = Box::new(socket);
        return Ok(Transport { socket, tls: None });
    }
    let (stream, info) = tls::connect(settings, &host.name, socket)
        .await
        .map_err(from_io)?;
    Ok(Transport {
        socket: Box::new(stream),
        tls: Some(info),
    })
}

async fn unix(directory: &Path, port: u16) -> Result<UnixStream, Error> {
    let directory = directory.display().to_string();
    let directory = match directory.strip_prefix('@') {
        Some(name) => format!("\0{name}"),
        None => directory,
    };
    UnixStream::connect(format!("{directory}/.s.PGSQL.{port}"))
        .await
        .map_err(from_io)
}

/// Tries all addresses of a host name.
async fn tcp(
    to: &str,
    port: u16,
    timeouts: &TcpTimeouts,
    deadline: Instant,
) -> Result<TcpStream, Error> {
    let unresolved = || Error::connecting(io::ErrorKind::NotFound, UNRESOLVED);
    let found = lookup_host((to, port)).await;
    let addresses: Vec<_> = found.map_err(|_| unresolved())?.collect();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut last = unresolved();
    for address in addresses {
        let limit = share(deadline, left);
        left -= 1;
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true).map_err(from_io)?;
                keepalive::apply(timeouts, &socket).map_err(from_io)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = from_io(error),
            Err(_) => last = no_answer(limit),
        }
    }
    Err(last)
}

async fn offers_tls(socket: &mut TcpStream) -> io::Result<bool> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    match socket.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the server does not speak the PostgreSQL protocol: correct host and port",
        )),
    }
}

/// The time limit of the next of several tries, so that the last ones have time too.
pub(super) fn share(deadline: Instant, tries: u32) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    (left / tries.max(1)).max(Duration::from_millis(10))
}

fn from_io(error: io::Error) -> Error {
    Error::not_sent(sqlx::Error::Io(error))
}

pub(super) fn no_answer(limit: Duration) -> Error {
    let seconds = limit.as_secs_f64();
    Error::connecting(
        io::ErrorKind::TimedOut,
        format!("no answer within {seconds:.1} s"),
    )
}
