//! Sets the TCP timeouts of a socket.

use std::io;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::address::TcpTimeouts;

pub(super) fn apply(timeouts: &TcpTimeouts, socket: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if timeouts.has_keepalive {
        let mut keepalive = TcpKeepalive::new();
        if let Some(idle) = timeouts.idle {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = timeouts.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(probes) = timeouts.probes {
            keepalive = keepalive.with_retries(probes);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    // Other systems do not have it; keepalive is enough for a connection that waits for an answer.
    #[cfg(target_os = "linux")]
    if let Some(limit) = timeouts.user_timeout {
        socket.set_tcp_user_timeout(Some(limit))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Address, Environment};

    async fn socket(parameters: &str) -> TcpStream {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await;
        let socket = socket.unwrap();
        let url = format!("postgres://u@localhost/e?{parameters}");
        let address = Address::parse_in(&url, &Environment::default()).unwrap();
        apply(&address.tcp_timeouts, &socket).unwrap();
        socket
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_silent_connection_is_closed_after_half_a_minute_or_as_the_address_says() {
        let found = async |parameters: &str| {
            let socket = socket(parameters).await;
            let socket = SockRef::from(&socket);
            (
                socket.keepalive().unwrap(),
                socket.tcp_keepalive_time().unwrap().as_secs(),
                socket.tcp_keepalive_interval().unwrap().as_secs(),
                socket.tcp_keepalive_retries().unwrap(),
                socket
                    .tcp_user_timeout()
                    .unwrap()
                    .unwrap_or_default()
                    .as_millis(),
            )
        };
        assert_eq!(found("").await, (true, 15, 5, 3, 30_000));
        let given =
            "keepalives_idle=60&keepalives_interval=7&keepalives_count=9&tcp_user_timeout=1500";
        assert_eq!(found(given).await, (true, 60, 7, 9, 1500));
        let (on, _, _, _, user_timeout) = found("keepalives=0&tcp_user_timeout=0").await;
        assert_eq!(
            (on, user_timeout),
            (false, 0),
            "the operating system's defaults"
        );
    }
}
