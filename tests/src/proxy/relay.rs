//! Relays bytes between the two sides of a proxy.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::controls::Controls;
use super::{Loss, Target};

/// The last bytes of a request that are kept, to find a marker across two reads.
const KEPT_BYTES: usize = 4096;

/// Accepts connections until the drop of the proxy.
pub(super) async fn accept(listener: TcpListener, controls: Arc<Controls>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        if *controls.refusing.borrow() {
            continue;
        }
        connections.spawn(serve(client, Arc::clone(&controls)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(client: TcpStream, controls: Arc<Controls>) {
    let mut cuts = controls.cuts.subscribe();
    cuts.mark_unchanged();
    let target = controls.target().clone();
    tokio::select! {
        _ = cuts.changed() => {}
        () = async {
            controls.pass().await;
            client.set_nodelay(true).ok();
            match &target {
                Target::Tcp(address) => {
                    if let Ok(server) = TcpStream::connect(address).await {
                        server.set_nodelay(true).ok();
                        relay(client, server, &controls).await;
                    }
                }
                Target::Socket(path) => {
                    if let Ok(server) = UnixStream::connect(path).await {
                        relay(client, server, &controls).await;
                    }
                }
            }
        } => {}
    }
}

/// Relays bytes until one side closes or a loss applies; then closes both.
async fn relay(client: TcpStream, server: impl AsyncRead + AsyncWrite, controls: &Controls) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let dropping = watch::Sender::new(None);
    let mut blackholes = controls.blackholes.subscribe();
    blackholes.mark_unchanged();
    let silenced = blackholes.clone();
    let relaying = async {
        let requests = async {
            let mut recent = Vec::new();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                controls.pass().await;
                let bytes = &buffer[..count];
                recent.extend_from_slice(bytes);
                let loss = controls.meet(&recent);
                recent.drain(..recent.len().saturating_sub(KEPT_BYTES));
                match loss {
                    Some(Loss::Request) => {
                        controls.lost.send_modify(|lost| *lost += 1);
                        return;
                    }
                    Some(loss @ (Loss::Reply | Loss::Silence)) => {
                        dropping.send_replace(Some(loss));
                    }
                    None => {}
                }
                // Not only in the select below, which may run later: nothing may arrive after `blackhole` has returned.
                if silenced.has_changed().unwrap_or(true) {
                    std::future::pending::<()>().await;
                }
                if to_server.write_all(bytes).await.is_err() {
                    return;
                }
            }
        };
        let replies = async {
            let mut buffer = vec![0; 64 * 1024];
            // A silent connection can have more replies.
            let mut counted = false;
            while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                controls.count(count);
                controls.pass().await;
                let bytes = &buffer[..count];
                let dropped = *dropping.borrow();
                if let Some(loss) = dropped {
                    if is_over(bytes) && !counted {
                        counted = true;
                        controls.lost.send_modify(|lost| *lost += 1);
                        if loss == Loss::Reply {
                            return;
                        }
                    }
                } else if to_client.write_all(bytes).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = requests => {}
            () = replies => {}
        }
    };
    tokio::select! {
        biased;
        // Both sockets stay open and are not read.
        _ = blackholes.changed() => std::future::pending().await,
        () = relaying => {}
    }
}

/// Whether the request was executed: at PostgreSQL's `ReadyForQuery`, which follows the commit, or at the start of an HTTP
/// response.
fn is_over(bytes: &[u8]) -> bool {
    matches!(bytes, [.., b'Z', 0, 0, 0, 5, b'I' | b'T' | b'E']) || bytes.starts_with(b"HTTP/")
}
