//! The parts of a database address.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::tcp_timeouts::TcpTimeouts;
use crate::tls::TlsSettings;

/// Where a database is and how to log in.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// At least one; they are tried in this order.
    pub(crate) hosts: Vec<Host>,
    /// Whether the hosts are tried in random order.
    pub(crate) shuffle: bool,
    pub(crate) user: String,
    /// If it is unset, the server uses the user's name.
    pub(crate) database: Option<String>,
    pub(crate) application_name: Option<String>,
    /// Command-line options for the server.
    pub(crate) options: Option<String>,
    pub(crate) tls: TlsSettings,
    pub(crate) target: TargetSession,
    /// The limit per host.
    pub(crate) connect_timeout: Option<Duration>,
    /// When a connection that has become silent counts as lost.
    pub(crate) tcp_timeouts: TcpTimeouts,
    /// `require_auth`; if it is unset, every method is allowed.
    pub(crate) required_auth: Option<RequiredAuth>,
    pub(crate) channel_binding: ChannelBindingMode,
    /// How many prepared statements sqlx caches per connection.
    pub(crate) statement_cache: Option<usize>,
    /// Why the password file is ignored.
    pub(crate) passfile_problem: Option<String>,
}

/// One of the servers.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// The name that the certificate must be valid for.
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) port: u16,
    pub(crate) password: Option<Password>,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A name or an IP address.
    Tcp(String),
    /// The directory of a Unix socket. A leading `@` is Linux's abstract namespace.
    Unix(PathBuf),
}

/// `target_session_attrs`: which servers are acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TargetSession {
    #[default]
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// `channel_binding`: whether SCRAM is bound to the TLS channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ChannelBindingMode {
    Disable,
    #[default]
    Prefer,
    Require,
}

/// `require_auth`: the allowed authentication methods or, with `!`, the forbidden ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequiredAuth {
    pub(crate) methods: Vec<String>,
    pub(crate) is_negated: bool,
}

/// A password. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Host {
    /// For messages: `db.example.com:5432`, `[::1]:5432`, `/run/postgresql:5432`.
    pub(crate) fn shown(&self) -> String {
        let Self { name, port, .. } = self;
        match &self.endpoint {
            Endpoint::Unix(folder) => format!("{}:{port}", folder.display()),
            Endpoint::Tcp(_) if name.contains(':') => format!("[{name}]:{port}"),
            Endpoint::Tcp(to) if to != name => format!("{name}:{port} ({to})"),
            Endpoint::Tcp(_) => format!("{name}:{port}"),
        }
    }
}

impl RequiredAuth {
    pub(crate) fn allows(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method) != self.is_negated
    }
}
