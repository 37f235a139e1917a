//! The HTTP server of both services.

mod peer;

pub use peer::PeerAddr;
