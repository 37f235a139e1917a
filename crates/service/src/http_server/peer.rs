//! The address of the other end of a connection.

use std::net::SocketAddr;

/// The address of the TCP peer: the client, or the proxy in front of the service. The server puts it into the extensions of
/// every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
