//! What is probed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listener of a program of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The listen address.
    pub address: SocketAddr,
    /// Whether it speaks HTTPS.
    pub tls: bool,
}

impl Target {
    /// The address to connect to: loopback if the program listens on all interfaces.
    pub(super) fn reachable(self) -> Self {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            given => given,
        };
        let address = SocketAddr::new(ip, self.address.port());
        Self { address, ..self }
    }
}

/// As a URL.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}
