//! A local socket that sqlx connects to, where the way to the server is one that only our own
//! connection knows. Every connection to it gets a session of its own on the server: the gateway
//! logs in, and from then on passes bytes on.
//!
//! On Linux the socket has no file, so that it needs no folder to write to and nothing stays
//! behind. Only this process may use it: who connects is asked for its process id.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Route;
use super::prepared_statements;
use crate::error::Error;
use crate::wire::{self, Opened, SessionInfo, Socket};

/// sqlx appends this to the folder of a socket.
const PORT: u16 = 5432;
/// What follows on a connection of this process comes at once.
const START_LIMIT: Duration = Duration::from_secs(5);
/// A session that ends says so to the server, if that takes no longer.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// The socket, as long as this lives.
#[derive(Debug)]
pub(super) struct Gateway {
    folder: PathBuf,
    accepting: JoinHandle<()>,
}

impl Gateway {
    pub(super) fn start(route: Weak<Route>) -> io::Result<Self> {
        Self::start_in(new_folder(cfg!(target_os = "linux"))?, route)
    }

    fn start_in(folder: PathBuf, route: Weak<Route>) -> io::Result<Self> {
        let listener = UnixListener::bind(format!("{}/.s.PGSQL.{PORT}", folder.display()))?;
        Ok(Self {
            folder,
            accepting: tokio::spawn(accept(listener, route)),
        })
    }

    /// What sqlx takes for the folder of the server's socket.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
        if is_in_the_file_system(&self.folder) {
            std::fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// `without_files`: in Linux's abstract namespace, whose names begin with a NUL.
fn new_folder(without_files: bool) -> io::Result<PathBuf> {
    let name = format!("exports-{}", Uuid::new_v4().simple());
    if without_files {
        return Ok(PathBuf::from(format!("\0{name}")));
    }
    let folder = std::env::temp_dir().join(name);
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&folder)?;
    Ok(folder)
}

fn is_in_the_file_system(folder: &Path) -> bool {
    !folder.as_os_str().as_encoded_bytes().starts_with(b"\0")
}

async fn accept(listener: UnixListener, route: Weak<Route>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let Some(route) = route.upgrade() else { return };
                if is_of_this_process(&client) {
                    // It ends when either side does.
                    tokio::spawn(serve(client, route));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a local connection to the database's gateway failed");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_this_process(client: &UnixStream) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    client.peer_cred().is_ok_and(|peer| peer.pid() == own)
}

async fn serve(mut client: UnixStream, route: Arc<Route>) {
    match timeout(START_LIMIT, read_start(&mut client)).await {
        Ok(Ok(true)) => {}
        _ => return,
    }
    let opened = wire::open(&route).await;
    let is_pooled = route.is_pooled();
    // The session does not need it; the gateway ends with its last user.
    drop(route);
    let outcome = match opened {
        Ok(opened) => pass_on(client, opened, is_pooled).await,
        Err(error) => client.write_all(&refusal(&error)).await,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a session through the gateway broke off");
    }
}

/// Reads the client's first message, whose contents are known. `false`: it wants no session.
async fn read_start(client: &mut UnixStream) -> io::Result<bool> {
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

async fn pass_on(mut client: UnixStream, opened: Opened, is_pooled: bool) -> io::Result<()> {
    let (mut server, received) = opened.connection.into_parts();
    client.write_all(&welcome(&opened.facts)).await?;
    client.write_all(&received).await?;
    let outcome = if is_pooled {
        prepared_statements::pass_on(&mut client, &mut server).await
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

/// Whoever ends first ends the session: the server may be busy, and the client is gone.
async fn copy_both(client: &mut UnixStream, server: &mut Box<dyn Socket>) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    tokio::select! {
        ended = copy(&mut from_client, &mut to_server) => ended.map(drop),
        ended = copy(&mut from_server, &mut to_client) => ended.map(drop),
    }
}

/// What a server says when a login has succeeded.
fn welcome(facts: &SessionInfo) -> BytesMut {
    let mut bytes = BytesMut::new();
    put(&mut bytes, b'R', |body| body.put_i32(0));
    for (name, value) in &facts.parameters {
        put(&mut bytes, b'S', |body| {
            put_text(body, name);
            put_text(body, value);
        });
    }
    put(&mut bytes, b'K', |body| {
        body.put_i32(facts.process_id);
        body.put_i32(facts.secret_key);
    });
    put(&mut bytes, b'Z', |body| body.put_u8(b'I'));
    bytes
}

/// Why there is no session, as a server would say it.
fn refusal(error: &Error) -> BytesMut {
    let state = error.sql_state().unwrap_or_else(|| {
        // A pool tries again what may pass, as it does where it connects by itself.
        let code = if may_pass(error) { "57P03" } else { "08001" };
        code.to_owned()
    });
    let mut bytes = BytesMut::new();
    put(&mut bytes, b'E', |body| {
        for (field, value) in [
            (b'S', "FATAL"),
            (b'V', "FATAL"),
            (b'C', &state),
            (b'M', &wire::reason_of(error)),
        ] {
            body.put_u8(field);
            put_text(body, value);
        }
        body.put_u8(0);
    });
    bytes
}

fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Unavailable { source: sqlx::Error::Io(reason), .. }
        if !matches!(reason.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other
            | io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported))
}

/// A message of this kind.
fn put(bytes: &mut BytesMut, kind: u8, write: impl FnOnce(&mut BytesMut)) {
    let mut body = BytesMut::new();
    write(&mut body);
    bytes.put_u8(kind);
    // Messages are short: names, values, one line of an error.
    bytes.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&body);
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    bytes.extend(text.bytes().filter(|byte| *byte != 0));
    bytes.put_u8(0);
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

    /// With a file or without, the reason why there is no session comes as one line.
    #[tokio::test]
    async fn why_a_server_cannot_be_reached_is_said_to_the_client() {
        let port = closed_port();
        let url = format!("postgres://u:hunter2@127.0.0.1:{port}/e");
        let address = Address::parse_in(&url, &Environment::default()).unwrap();
        let route = Route::new(address, Vec::new());
        for without_files in [cfg!(target_os = "linux"), false] {
            let folder = new_folder(without_files).unwrap();
            let gateway = Gateway::start_in(folder.clone(), Arc::downgrade(&route)).unwrap();
            let options = PgConnectOptions::new_without_pgpass()
                .socket(gateway.folder())
                .ssl_mode(PgSslMode::Disable);
            let error = PgConnection::connect_with(&options).await.unwrap_err();
            let error = error.into_database_error().unwrap();
            assert_eq!(error.code().unwrap(), "57P03");
            let text = error.message();
            assert!(
                text.contains(&format!("127.0.0.1:{port}: Connection refused")),
                "{text}"
            );
            drop(gateway);
            assert!(without_files || !folder.exists());
        }
    }
}
