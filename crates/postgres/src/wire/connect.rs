//! Chooses a host of an address and connects to it.
//!
//! Hosts are tried in order until one matches `target_session_attrs`. `sslmode` decides what is tried
//! at each. As in libpq, a refused login ends the search.

use std::io;
use std::time::Instant;

use rand::seq::SliceRandom;
use tokio::time::timeout;

use super::connect_error::described;
use super::connection::WireConnection;
use super::login::{Login, Opened, StartupSettings};
use super::transport::{self, Transport, no_answer, share};
use crate::address::{Address, Endpoint, Host, TargetSession};
use crate::error::Error;
use crate::timeouts::CONNECT_TIMEOUT;
use crate::tls::SslMode;

/// `invalid_authorization_specification`: the server accepts only TLS, or only no TLS.
const INVALID_AUTHORIZATION: &str = "28000";

/// Connects and logs in.
pub(crate) async fn connect(
    address: &Address,
    settings: &StartupSettings,
) -> Result<Opened, Error> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let tries = tries(address);
    let mut left = u32::try_from(tries.len()).unwrap_or(u32::MAX);
    let mut failures: Vec<Error> = Vec::new();
    for (target, host) in tries {
        let limit = share(deadline, left);
        let limit = address
            .connect_timeout
            .map_or(limit, |given| given.min(limit));
        left -= 1;
        let login = Login {
            address,
            host,
            settings,
        };
        let connecting = connect_to(&login, target, Instant::now() + limit);
        let connected = match timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(no_answer(limit)),
        };
        match connected {
            Ok(opened) => return Ok(opened),
            // Every host would refuse the login, and count it as a failed one.
            Err(error) if is_login_refused(&error) => return Err(described(&host.shown(), error)),
            Err(error) => failures.push(described(&host.shown(), error)),
        }
    }
    Err(summary(failures))
}

/// The hosts in the order of the tries, each with the servers that are acceptable then.
fn tries(address: &Address) -> Vec<(TargetSession, &Host)> {
    let mut hosts: Vec<&Host> = address.hosts.iter().collect();
    if address.shuffle {
        hosts.shuffle(&mut rand::rng());
    }
    let targets = match address.target {
        TargetSession::PreferStandby => vec![TargetSession::Standby, TargetSession::Any],
        other => vec![other],
    };
    let mut tries = Vec::new();
    for target in targets {
        tries.extend(hosts.iter().map(|host| (target, *host)));
    }
    tries
}

fn is_login_refused(error: &Error) -> bool {
    error
        .sql_state()
        .is_some_and(|state| state.starts_with("28"))
}

/// One host's error as it is, the errors of several hosts in one line.
fn summary(mut failures: Vec<Error>) -> Error {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let mut lines: Vec<String> = Vec::new();
    for error in &failures {
        let line = error.reason();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Error::connecting(io::ErrorKind::NotConnected, lines.join("; "))
}

async fn connect_to(
    login: &Login<'_>,
    target: TargetSession,
    deadline: Instant,
) -> Result<Opened, Error> {
    let mut opened = log_in(login, deadline).await?;
    if let Some(reason) = unsuitable(&mut opened.connection, target).await? {
        return Err(Error::connecting(io::ErrorKind::NotConnected, reason));
    }
    Ok(opened)
}

/// Tries what `sslmode` allows, in its order.
async fn log_in(login: &Login<'_>, deadline: Instant) -> Result<Opened, Error> {
    let mode = match login.host.endpoint {
        // Servers offer no TLS on Unix sockets.
        Endpoint::Unix(_) => SslMode::Disable,
        Endpoint::Tcp(_) => login.address.tls.mode,
    };
    let first = match mode {
        SslMode::Disable => return log_in_plain(login, deadline).await,
        SslMode::Allow => log_in_plain(login, deadline).await,
        SslMode::Prefer => log_in_encrypted(login, false, deadline).await,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
            return log_in_encrypted(login, true, deadline).await;
        }
    };
    let second = match &first {
        Err(error) if mode == SslMode::Allow && is_wrong_encryption(error) => {
            log_in_encrypted(login, true, deadline).await
        }
        Err(error)
            if mode == SslMode::Prefer && (is_wrong_encryption(error) || is_tls_failure(error)) =>
        {
            log_in_plain(login, deadline).await
        }
        _ => return first,
    };
    match second {
        Ok(mut opened) => {
            opened.info.is_fallback = true;
            Ok(opened)
        }
        // The first error explains the address as it is written.
        Err(_) => first,
    }
}

fn is_wrong_encryption(error: &Error) -> bool {
    error.sql_state().as_deref() == Some(INVALID_AUTHORIZATION)
}

fn is_tls_failure(error: &Error) -> bool {
    matches!(error, Error::Unavailable { source: sqlx::Error::Io(reason), .. }
        if matches!(reason.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset))
}

async fn log_in_plain(login: &Login<'_>, deadline: Instant) -> Result<Opened, Error> {
    let timeouts = &login.address.tcp_timeouts;
    let Transport { socket, tls } = transport::plain(login.host, timeouts, deadline).await?;
    login.run(socket, tls).await
}

async fn log_in_encrypted(
    login: &Login<'_>,
    required: bool,
    deadline: Instant,
) -> Result<Opened, Error> {
    let Transport { socket, tls } =
        transport::encrypted(login.address, login.host, required, deadline).await?;
    login.run(socket, tls).await
}

/// Why a server does not match `target_session_attrs`.
async fn unsuitable(
    connection: &mut WireConnection,
    wanted: TargetSession,
) -> Result<Option<&'static str>, Error> {
    const QUERY: &str = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
    if wanted == TargetSession::Any {
        return Ok(None);
    }
    let row = connection.query(QUERY).await?.pop().unwrap_or_default();
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
