//! Sends `GET /readyz` to one listener.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use super::socket::Socket;
use super::target::Target;

/// Timeout of the whole request.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Response bytes after which reading stops.
const MAX_RESPONSE: usize = 4096;

/// Why the program is not ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// The port is 0: the system chooses another port at each start.
    #[error("{0} has no fixed port, so the program that listens there cannot be probed")]
    NoPort(SocketAddr),
    /// Nothing listens there, or there was no response within the timeout.
    #[error("{target}/readyz does not answer")]
    NoResponse {
        /// What was probed.
        target: Target,
        /// The I/O error.
        source: io::Error,
    },
    /// The response is not HTTP.
    #[error("{0} is not an HTTP server")]
    NotHttp(SocketAddr),
    /// The program is running but not ready.
    #[error("{target}/readyz answers {status}: {body}")]
    NotReady {
        /// What was probed.
        target: Target,
        /// The HTTP status.
        status: u16,
        /// The response body, as one line.
        body: String,
    },
}

/// Probes a program: it is ready if it answers 200 within the timeout.
pub(super) fn probe(target: Target) -> Result<(), ProbeError> {
    let target = target.reachable();
    let address = target.address;
    if address.port() == 0 {
        return Err(ProbeError::NoPort(address));
    }
    let response = exchange(target).map_err(|source| ProbeError::NoResponse { target, source })?;
    let (status, body) = parse(&response).ok_or(ProbeError::NotHttp(address))?;
    if status == 200 {
        return Ok(());
    }
    Err(ProbeError::NotReady {
        target,
        status,
        body,
    })
}

fn exchange(target: Target) -> io::Result<Vec<u8>> {
    let socket = Socket::connect(target.address, TIMEOUT)?;
    if target.tls {
        request(target, socket.with_tls()?)
    } else {
        request(target, socket)
    }
}

/// Sends the request and reads the response.
fn request(target: Target, mut stream: impl Read + Write) -> io::Result<Vec<u8>> {
    let host = target.address;
    // One write: a server that responds after the first write and closes would reset the connection.
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    let mut buffer = [0; 1024];
    while response.len() < MAX_RESPONSE {
        match stream.read(&mut buffer)? {
            0 => break,
            count => response.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(response)
}

/// The status, and the body on one line.
fn parse(response: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(response);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    words.next()?.strip_prefix("HTTP/1.")?;
    let status = words.next()?.parse().ok()?;
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
    Some((status, body))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with `answer`, on a free port of all interfaces.
    fn server(answer: &'static str) -> Target {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..count]);
            assert!(request.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        plain(address)
    }

    fn plain(address: SocketAddr) -> Target {
        Target {
            address,
            tls: false,
        }
    }

    #[test]
    fn an_unspecified_address_is_probed_on_loopback() {
        let target = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert!(target.address.ip().is_unspecified());
        probe(target).unwrap();
        let every = plain("[::]:80".parse().unwrap());
        assert_eq!(every.reachable(), plain("[::1]:80".parse().unwrap()));
    }

    #[test]
    fn the_error_contains_the_response_of_a_program_that_is_not_ready() {
        let address = server("HTTP/1.1 503 Service Unavailable\r\n\r\n{\n \"reason\": \"x\"}");
        let line = probe(address).unwrap_err().to_string();
        assert!(
            line.ends_with("answers 503: { \"reason\": \"x\"}"),
            "{line}"
        );
    }

    #[test]
    fn an_invalid_http_response_is_an_error() {
        for answer in ["", "220 smtp 200 OK\r\n\r\n", "HTTP/1.1 200 OK"] {
            let error = probe(server(answer)).unwrap_err();
            assert!(matches!(error, ProbeError::NotHttp(_)), "{answer}: {error}");
        }
    }

    #[test]
    fn a_server_that_does_not_respond_is_a_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = probe(plain(listener.local_addr().unwrap())).unwrap_err();
        let ProbeError::NoResponse { source, .. } = &error else {
            panic!("{error}");
        };
        let timeouts = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        assert!(timeouts.contains(&source.kind()), "{source}");
    }

    #[test]
    fn a_port_without_a_listener_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = probe(plain(address)).unwrap_err();
        assert!(matches!(error, ProbeError::NoResponse { .. }), "{error}");
        let error = probe(plain("127.0.0.1:0".parse().unwrap())).unwrap_err();
        assert!(matches!(error, ProbeError::NoPort(_)), "{error}");
    }
}
