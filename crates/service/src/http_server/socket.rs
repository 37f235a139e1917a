//! The options of an accepted socket.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How many bytes the system holds that it has not sent yet. Without it, a slow client would have megabytes in the system's
/// buffers, and its progress would be seen only in steps of megabytes.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 128 * 1024;

/// Sets the options. A client may be gone already, so errors are ignored: the next read reports it.
pub(super) fn prepare(stream: &TcpStream) {
    // Nagle's algorithm would delay a small response until the previous one is acknowledged.
    stream.set_nodelay(true).ok();
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive).ok();
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_notsent_lowat(UNSENT).ok();
}
