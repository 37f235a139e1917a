//! The address of a database, parsed once into our own type.
//!
//! It accepts what libpq accepts: URLs and `keyword=value` strings, several hosts, Unix sockets,
//! `PG*` variables, service files and password files. `syntax` splits the text, `keywords` knows
//! the parameters, `service` and `passfile` read libpq's files, `build` puts the address together.
//! Nothing here connects.

mod from_parameters;
mod environment;
mod parameter_names;
mod passfile;
mod service_file;
mod parameters;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::UrlError;
use crate::tls::TlsSettings;

pub(crate) use environment::Environment;

/// Where a database is and how to log in.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// At least one; they are tried in this order.
    pub(crate) hosts: Vec<Host>,
    /// Try the hosts in random order.
    pub(crate) shuffle: bool,
    pub(crate) user: String,
    /// Where it is not given, the server takes the user's name.
    pub(crate) database: Option<String>,
    pub(crate) application_name: Option<String>,
    /// The command-line options that the server is sent.
    pub(crate) options: Option<String>,
    pub(crate) tls: TlsSettings,
    pub(crate) target: TargetSession,
    /// The limit for each host.
    pub(crate) connect_timeout: Option<Duration>,
    /// Ways to log in that the address allows; everything if there are none.
    pub(crate) required_auth: Option<RequiredAuth>,
    pub(crate) channel_binding: ChannelBindingMode,
    /// Statements that sqlx keeps prepared on each connection.
    pub(crate) statement_cache: Option<usize>,
    /// Why a password file was not used.
    pub(crate) passfile_problem: Option<String>,
}

/// One of the servers.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// The name that certificates are compared with.
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
    /// The folder of a Unix socket; `@` at the beginning is Linux's abstract namespace.
    Unix(PathBuf),
}

/// Which servers serve, `target_session_attrs`.
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

/// Whether SCRAM is bound to the TLS channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ChannelBindingMode {
    Disable,
    #[default]
    Prefer,
    Require,
}

/// `require_auth`: the methods that are allowed, or with `!` those that are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequiredAuth {
    pub(crate) methods: Vec<String>,
    pub(crate) is_negated: bool,
}

/// A password, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Address {
    /// Parses an address; what it does not say comes from the environment, as in libpq.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        Self::parse_in(text, &Environment::of_process())
    }

    pub(crate) fn parse_in(text: &str, environment: &Environment) -> Result<Self, UrlError> {
        let mut given = parameters::split(text.trim())?;
        parameter_names::check(&given)?;
        service_file::apply(&mut given, environment)?;
        parameter_names::apply_variables(&mut given, environment);
        from_parameters::address(&given, environment)
    }
}

impl Host {
    /// For people: `db.example.com:5432`, `[::1]:5432`, `/run/postgresql:5432`.
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
