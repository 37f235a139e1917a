//! Which server of an address a connection is to, and whether it is encrypted.
//!
//! Hosts are tried in order until one answers that serves what the address wants. `sslmode` decides
//! what is tried at each. As in libpq, a refused login ends the search.

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rand::seq::SliceRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::login::{Login, SessionInfo};
use super::{Socket, WireConnection};
use crate::address::{Endpoint, Host, TargetSession};
use crate::client::CONNECT_TIMEOUT;
use crate::error::Error;
use crate::route::Route;
use crate::tls::{self, SslMode, TlsInfo};

/// The server serves only an encrypted session, or only one that is not.
const INVALID_AUTHORIZATION: &str = "28000";

/// A connection that is logged in, and what became known meanwhile.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: WireConnection,
    pub(crate) facts: SessionInfo,
}

/// Bytes to and from a server, before the login.
struct Line {
    socket: Box<dyn Socket>,
    tls: Option<TlsInfo>,
}

pub(crate) async fn open(route: &Route) -> Result<Opened, Error> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let address = route.address();
    let mut hosts: Vec<&Host> = address.hosts.iter().collect();
    if address.shuffle {
        hosts.shuffle(&mut rand::rng());
    }
    let wanted = match address.target {
        TargetSession::PreferStandby => vec![TargetSession::Standby, TargetSession::Any],
        other => vec![other],
    };
    let mut tries = Vec::new();
    for wanted in wanted {
        tries.extend(hosts.iter().map(|host| (wanted, *host)));
    }
    let mut left = u32::try_from(tries.len()).unwrap_or(u32::MAX);
    let mut failures: Vec<(String, Error)> = Vec::new();
    for (wanted, host) in tries {
        // The last ones must get their turn before the time is over.
        let share = share_of(deadline, left);
        let share = address
            .connect_timeout
            .map_or(share, |limit| limit.min(share));
        left -= 1;
        let opened = match timeout(share, open_at(route, host, wanted, share)).await {
            Ok(opened) => opened,
            Err(_) => Err(no_answer(share)),
        };
        match opened {
            Ok(opened) => return Ok(opened),
            // It would be refused by the others, too, and counted there.
            Err(error)
                if error
                    .sql_state()
                    .is_some_and(|state| state.starts_with("28")) =>
            {
                return Err(error);
            }
            Err(error) => failures.push((host.shown(), error)),
        }
    }
    Err(summary(failures))
}

fn share_of(deadline: Instant, tries: u32) -> Duration {
    let remaining = deadline.saturating_duration_since(Instant::now());
    (remaining / tries.max(1)).max(Duration::from_millis(10))
}

/// One host's error as it is, several in one line.
fn summary(mut failures: Vec<(String, Error)>) -> Error {
    if let [(host, error)] = failures.as_mut_slice() {
        return match error {
            Error::Unavailable {
                source: sqlx::Error::Io(reason),
                ..
            } => unavailable(reason.kind(), format!("{host}: {reason}")),
            _ => failures.remove(0).1,
        };
    }
    let mut lines: Vec<String> = Vec::new();
    for (host, error) in &failures {
        let line = format!("{host}: {}", reason_of(error));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    unavailable(io::ErrorKind::NotConnected, lines.join("; "))
}

/// What an error is about, without what it is of.
pub(crate) fn reason_of(error: &Error) -> String {
    match error {
        Error::Unavailable { source, .. } | Error::Refused(source) => match source {
            sqlx::Error::Io(reason) => reason.to_string(),
            sqlx::Error::Database(reason) => reason.message().to_owned(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// There is no connection, so nothing was committed over it.
pub(super) fn unavailable(kind: io::ErrorKind, text: impl Into<String>) -> Error {
    Error::Unavailable {
        maybe_committed: false,
        source: sqlx::Error::Io(io::Error::new(kind, text.into())),
    }
}

fn from_io(error: &io::Error) -> Error {
    unavailable(error.kind(), error.to_string())
}

fn no_answer(limit: Duration) -> Error {
    let seconds = limit.as_secs_f64();
    unavailable(
        io::ErrorKind::TimedOut,
        format!("no answer within {seconds:.1} s"),
    )
}

async fn open_at(
    route: &Route,
    host: &Host,
    wanted: TargetSession,
    share: Duration,
) -> Result<Opened, Error> {
    let deadline = Instant::now() + share;
    let mut opened = log_in(route, host, deadline).await?;
    if let Some(reason) = unsuitable(&mut opened.connection, wanted).await? {
        return Err(unavailable(io::ErrorKind::NotConnected, reason));
    }
    Ok(opened)
}

/// Tries what `sslmode` allows, in its order.
async fn log_in(route: &Route, host: &Host, deadline: Instant) -> Result<Opened, Error> {
    let mode = match host.endpoint {
        // The server offers no TLS there.
        Endpoint::Unix(_) => SslMode::Disable,
        Endpoint::Tcp(_) => route.address().tls.mode,
    };
    let first = match mode {
        SslMode::Disable => return log_in_plainly(route, host, deadline).await,
        SslMode::Allow => log_in_plainly(route, host, deadline).await,
        SslMode::Prefer => log_in_encrypted(route, host, false, deadline).await,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
            return log_in_encrypted(route, host, true, deadline).await;
        }
    };
    let second = match first {
        Err(ref error) if mode == SslMode::Allow && is_not_served(error) => {
            log_in_encrypted(route, host, true, deadline).await
        }
        Err(ref error)
            if mode == SslMode::Prefer && (is_not_served(error) || is_tls_failure(error)) =>
        {
            log_in_plainly(route, host, deadline).await
        }
        first => return first,
    };
    match second {
        Ok(mut opened) => {
            opened.facts.is_fallback = true;
            Ok(opened)
        }
        // What was asked for first is what the user knows.
        Err(_) => first,
    }
}

fn is_not_served(error: &Error) -> bool {
    error.sql_state().as_deref() == Some(INVALID_AUTHORIZATION)
}

fn is_tls_failure(error: &Error) -> bool {
    matches!(error, Error::Unavailable { source: sqlx::Error::Io(reason), .. }
        if matches!(reason.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset))
}

async fn log_in_plainly(route: &Route, host: &Host, deadline: Instant) -> Result<Opened, Error> {
    let line = plain(host, deadline).await?;
    Login { route, host }.run(line.socket, line.tls).await
}

async fn log_in_encrypted(
    route: &Route,
    host: &Host,
    required: bool,
    deadline: Instant,
) -> Result<Opened, Error> {
    let line = encrypted(route, host, required, deadline).await?;
    Login { route, host }.run(line.socket, line.tls).await
}

async fn plain(host: &Host, deadline: Instant) -> Result<Line, Error> {
    let socket: Box<dyn Socket> = match &host.endpoint {
        Endpoint::Unix(folder) => Box::new(unix(folder, host.port).await?),
        Endpoint::Tcp(to) => Box::new(tcp(to, host.port, deadline).await?),
    };
    Ok(Line { socket, tls: None })
}

/// Plain all the same if the server offers no TLS, unless that is required.
async fn encrypted(
    route: &Route,
    host: &Host,
    required: bool,
    deadline: Instant,
) -> Result<Line, Error> {
    let Endpoint::Tcp(to) = &host.endpoint else {
        return plain(host, deadline).await;
    };
    let settings = &route.address().tls;
    let mut socket = tcp(to, host.port, deadline).await?;
    if !settings.is_direct && !offers_tls(&mut socket).await.map_err(|e| from_io(&e))? {
        if required {
            return Err(unavailable(
                io::ErrorKind::Unsupported,
                "server does not support TLS",
            ));
        }
        let socket = Box::new(socket);
        return Ok(Line { socket, tls: None });
    }
    let (stream, facts) = tls::connect(settings, &host.name, socket)
        .await
        .map_err(|error| from_io(&error))?;
    Ok(Line {
        socket: Box::new(stream),
        tls: Some(facts),
    })
}

async fn unix(folder: &std::path::Path, port: u16) -> Result<UnixStream, Error> {
    let folder = folder.display().to_string();
    let folder = match folder.strip_prefix('@') {
        Some(name) => format!("\0{name}"),
        None => folder,
    };
    UnixStream::connect(format!("{folder}/.s.PGSQL.{port}"))
        .await
        .map_err(|error| from_io(&error))
}

/// Tries every address of a name.
async fn tcp(to: &str, port: u16, deadline: Instant) -> Result<TcpStream, Error> {
    let addresses: Vec<_> = lookup_host((to, port))
        .await
        .map_err(|error| from_io(&error))?
        .collect();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut last = unavailable(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        let share = share_of(deadline, left);
        left -= 1;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true).map_err(|error| from_io(&error))?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = from_io(&error),
            Err(_) => last = no_answer(share),
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
            "what answers is not a PostgreSQL server",
        )),
    }
}

/// Why a server is not one of those that the address wants.
async fn unsuitable(
    connection: &mut WireConnection,
    wanted: TargetSession,
) -> Result<Option<&'static str>, Error> {
    const STATE: &str = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
    if wanted == TargetSession::Any {
        return Ok(None);
    }
    let row = connection.query(STATE).await?.pop().unwrap_or_default();
    let is = |index: usize, yes: &str| row.get(index).and_then(Option::as_deref) == Some(yes);
    let (is_standby, is_read_only) = (is(0, "t"), is(1, "on"));
    Ok(match wanted {
        TargetSession::ReadWrite if is_read_only => Some("the session is read-only"),
        TargetSession::ReadOnly if !is_read_only => Some("the session is not read-only"),
        TargetSession::Primary if is_standby => Some("the server is a standby"),
        TargetSession::Standby if !is_standby => Some("the server is not a standby"),
        TargetSession::PreferStandby
        | TargetSession::Any
        | TargetSession::ReadWrite
        | TargetSession::ReadOnly
        | TargetSession::Primary
        | TargetSession::Standby => None,
    })
}
