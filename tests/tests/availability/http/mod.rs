//! The HTTP server of the API: real sockets against the real program.

mod cap;
mod descriptors;
mod heads;
mod log_lines;
mod readers;
mod streams;
mod support;
mod tls;
