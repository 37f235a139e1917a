//! The way of the bytes through a proxy.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Controls, Loss, Target};

/// What is remembered of a request's bytes, so that a marker across two reads is found.
const MEMORY: usize = 4096;

/// Takes connections until the proxy is dropped.
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

/// Passes bytes both ways until one side ends or something is lost; then both are closed.
async fn relay(client: TcpStream, server: impl AsyncRead + AsyncWrite, controls: &Controls) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let swallowing = watch::Sender::new(false);
    let mut silences = controls.silences.subscribe();
    silences.mark_unchanged();
    let relaying = async {
        let requests = async {
            let mut recent = Vec::new();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                controls.pass().await;
                let bytes = &buffer[..count];
                recent.extend_from_slice(bytes);
                let loss = controls.meet(&recent);
                recent.drain(..recent.len().saturating_sub(MEMORY));
                match loss {
                    Some(Loss::Request) => {
                        controls.lost.send_modify(|lost| *lost += 1);
                        return;
                    }
                    Some(Loss::Reply) => {
                        swallowing.send_replace(true);
                    }
                    None => {}
                }
                if to_server.write_all(bytes).await.is_err() {
                    return;
                }
            }
        };
        let replies = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                controls.count(count);
                controls.pass().await;
                let bytes = &buffer[..count];
                if *swallowing.borrow() {
                    if is_over(bytes) {
                        controls.lost.send_modify(|lost| *lost += 1);
                        return;
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
        // Both sockets stay open, and nobody reads from them.
        _ = silences.changed() => std::future::pending().await,
        () = relaying => {}
    }
}

/// Whether a reply ends here. PostgreSQL's ends with `ReadyForQuery`, after which what was asked
/// is committed; an HTTP answer has begun, and its request was carried out.
fn is_over(bytes: &[u8]) -> bool {
    matches!(bytes, [.., b'Z', 0, 0, 0, 5, b'I' | b'T' | b'E']) || bytes.starts_with(b"HTTP/")
}
