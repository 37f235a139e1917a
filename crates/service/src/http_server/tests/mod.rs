//! The server over real sockets, with short limits.

mod limits;
mod stopping;
mod support;
