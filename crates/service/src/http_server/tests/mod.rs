//! The server over real sockets, with short limits.

mod limits;
mod long_lived;
mod stopping;
mod support;
