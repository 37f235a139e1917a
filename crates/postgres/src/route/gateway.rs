//! The gateway: a proxy on a local Unix socket, for addresses that sqlx does not support.
//!
//! For each client it logs in to the server over one of our own connections, and then forwards the
//! bytes. Only this process may connect; the gateway checks the client's process id. On Linux the
//! socket is in the abstract namespace, so it leaves no file behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::messages::{login_failed, login_succeeded};
use super::prepared_statements;
use super::upstream::Upstream;
use crate::wire::{Opened, Socket};

/// A part of the name of the socket, which sqlx appends to the directory.
const PORT: u16 = 5432;
/// The limit for the startup message. It comes from this process, so it is fast.
const STARTUP_LIMIT: Duration = Duration::from_secs(5);
/// The limit for ending a session on the server.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// A running gateway. Dropping it closes the socket.
#[derive(Debug)]
pub(super) struct Gateway {
    directory: PathBuf,
    accepting: JoinHandle<()>,
}

impl Gateway {
    pub(super) fn start(upstream: Arc<Upstream>) -> io::Result<Self> {
        Self::start_in(new_directory(cfg!(target_os = "linux"))?, upstream)
    }

    fn start_in(directory: PathBuf, upstream: Arc<Upstream>) -> io::Result<Self> {
        let listener = UnixListener::bind(format!("{}/.s.PGSQL.{PORT}", directory.display()))?;
        Ok(Self {
            directory,
            accepting: tokio::spawn(accept(listener, upstream)),
        })
    }

    /// The directory of the socket, for sqlx.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
        if is_in_file_system(&self.directory) {
            std::fs::remove_dir_all(&self.directory).ok();
        }
    }
}

/// `is_abstract`: in Linux's abstract namespace, whose names begin with a NUL.
fn new_directory(is_abstract: bool) -> io::Result<PathBuf> {
    let name = format!("exports-{}", Uuid::new_v4().simple());
    if is_abstract {
        return Ok(PathBuf::from(format!("\0{name}")));
    }
    let directory = std::env::temp_dir().join(name);
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&directory)?;
    Ok(directory)
}

fn is_in_file_system(directory: &Path) -> bool {
    !directory.as_os_str().as_encoded_bytes().starts_with(b"\0")
}

async fn accept(listener: UnixListener, upstream: Arc<Upstream>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                if is_of_this_process(&client) {
                    tokio::spawn(serve(client, Arc::clone(&upstream)));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the database gateway could not accept a local connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_this_process(client: &UnixStream) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    client.peer_cred().is_ok_and(|peer| peer.pid() == own)
}

async fn serve(mut client: UnixStream, upstream: Arc<Upstream>) {
    match timeout(STARTUP_LIMIT, read_startup(&mut client)).await {
        Ok(Ok(true)) => {}
        _ => return,
    }
    let outcome = match upstream.connect().await {
        Ok(opened) => forward(client, opened, upstream.is_pooler()).await,
        Err(error) => client.write_all(&login_failed(&error)).await,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a session through the database gateway ended with an error");
    }
}

/// Reads the client's startup message. Its contents are known, so they are ignored. Returns `false`
/// if the client requests no session.
async fn read_startup(client: &mut UnixStream) -> io::Result<bool> {
    loop {
        let length = client.read_u32().await?;
        let code = client.read_u32().await?;
        let rest = length.checked_sub(8).filter(|rest| *rest < 65536);
        let rest = rest.ok_or(io::ErrorKind::InvalidData)?;
        let mut parameters = client.take(u64::from(rest));
        tokio::io::copy(&mut parameters, &mut tokio::io::sink()).await?;
        match code {
            SSL_REQUEST | GSS_REQUEST => client.write_all(b"N").await?,
            CANCEL_REQUEST => return Ok(false),
            _ => return Ok(true),
        }
    }
}

async fn forward(mut client: UnixStream, opened: Opened, is_pooler: bool) -> io::Result<()> {
    let (mut server, received) = opened.connection.into_parts();
    client.write_all(&login_succeeded(&opened.info)).await?;
    client.write_all(&received).await?;
    let outcome = if is_pooler {
        prepared_statements::forward(&mut client, &mut server).await
    } else {
        copy_both(&mut client, &mut server).await
    };
    let closed = timeout(CLOSE_LIMIT, async {
        server.shutdown().await.ok();
        client.shutdown().await.ok();
    });
    closed.await.ok();
    outcome
}

/// Forwards bytes in both directions until either side closes.
async fn copy_both(client: &mut UnixStream, server: &mut Box<dyn Socket>) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    tokio::select! {
        ended = copy(&mut from_client, &mut to_server) => ended.map(drop),
        ended = copy(&mut from_server, &mut to_client) => ended.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::{PgConnectOptions, PgSslMode};
    use sqlx::{Connection, PgConnection};

    use super::*;
    use crate::address::{Address, Environment};

    fn closed_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn a_failed_connection_is_reported_to_the_client_in_one_line() {
        let port = closed_port();
        let url = format!("postgres://u:hunter2@127.0.0.1:{port}/e");
        let address = Address::parse_in(&url, &Environment::default()).unwrap();
        let upstream = Arc::new(Upstream::new(address, Vec::new()));
        for is_abstract in [cfg!(target_os = "linux"), false] {
            let directory = new_directory(is_abstract).unwrap();
            let gateway = Gateway::start_in(directory.clone(), Arc::clone(&upstream)).unwrap();
            let options = PgConnectOptions::new_without_pgpass()
                .socket(gateway.directory())
                .ssl_mode(PgSslMode::Disable);
            let error = PgConnection::connect_with(&options).await.unwrap_err();
            let error = error.into_database_error().unwrap();
            assert_eq!(error.code().unwrap(), "57P03");
            let text = error.message();
            assert!(
                text.contains(&format!("127.0.0.1:{port}: connection refused")),
                "{text}"
            );
            drop(gateway);
            assert!(is_abstract || !directory.exists());
        }
    }
}
