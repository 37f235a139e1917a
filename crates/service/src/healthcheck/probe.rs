//! One question to one address: `GET /readyz`, over a plain connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long the whole question may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// As much of an answer as anyone reads.
const LONGEST: usize = 4096;

/// Why the program is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The port is the system's choice, made anew at each start.
    #[error("{0} names no port; a program that listens there cannot be asked from outside")]
    NoPort(SocketAddr),
    /// Nobody listens, or nobody answers in time.
    #[error("http://{address}/readyz does not answer")]
    Silent {
        /// What was asked.
        address: SocketAddr,
        /// What came instead.
        source: io::Error,
    },
    /// What answers does not speak HTTP.
    #[error("what answers at {0} is no HTTP server")]
    NotHttp(SocketAddr),
    /// The program runs, and says that it is not ready.
    #[error("http://{address}/readyz answers {status}: {body}")]
    Refused {
        /// What was asked.
        address: SocketAddr,
        /// The HTTP status.
        status: u16,
        /// The answer's body, on one line.
        body: String,
    },
}

/// Asks the program that listens at `listen`; an address that means all interfaces is asked on
/// loopback. Ready is what answers 200 within [`TIMEOUT`].
pub fn ask(listen: SocketAddr) -> Result<(), NotReady> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    if address.port() == 0 {
        return Err(NotReady::NoPort(listen));
    }
    let answer = exchange(address).map_err(|source| NotReady::Silent { address, source })?;
    let (status, body) = parse(&answer).ok_or(NotReady::NotHttp(address))?;
    if status == 200 {
        return Ok(());
    }
    Err(NotReady::Refused {
        address,
        status,
        body,
    })
}

fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        given => given,
    }
}

/// Sends the request and reads the answer to its end.
fn exchange(address: SocketAddr) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    // In one piece: a server that answers the first and closes would reset the connection.
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while answer.len() < LONGEST {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer)? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(answer)
}

/// The time that is left, which is never zero: a timeout of zero would be none at all.
fn left(deadline: Instant) -> io::Result<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| io::ErrorKind::TimedOut.into())
}

/// The status, and the body on one line.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
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

    /// Answers one request with `answer`, at a port of its own on all interfaces.
    fn server(answer: &'static str) -> SocketAddr {
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
        address
    }

    #[test]
    fn all_interfaces_are_asked_on_loopback() {
        let address = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert!(address.ip().is_unspecified());
        ask(address).unwrap();
        assert_eq!(reachable("::".parse().unwrap()), Ipv6Addr::LOCALHOST);
    }

    #[test]
    fn what_is_not_ready_says_why() {
        let address = server("HTTP/1.1 503 Service Unavailable\r\n\r\n{\n \"reason\": \"x\"}");
        let line = ask(address).unwrap_err().to_string();
        assert!(
            line.ends_with("answers 503: { \"reason\": \"x\"}"),
            "{line}"
        );
    }

    #[test]
    fn only_an_http_server_can_be_ready() {
        for answer in ["", "220 smtp 200 OK\r\n\r\n", "HTTP/1.1 200 OK"] {
            let error = ask(server(answer)).unwrap_err();
            assert!(matches!(error, NotReady::NotHttp(_)), "{answer}: {error}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = ask(listener.local_addr().unwrap()).unwrap_err();
        let NotReady::Silent { source, .. } = &error else {
            panic!("{error}");
        };
        let given_up = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        assert!(given_up.contains(&source.kind()), "{source}");
    }

    #[test]
    fn nobody_there_is_said_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = ask(address).unwrap_err();
        assert!(matches!(error, NotReady::Silent { .. }), "{error}");
        let error = ask("127.0.0.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, NotReady::NoPort(_)), "{error}");
    }
}
