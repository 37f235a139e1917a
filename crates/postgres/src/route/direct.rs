//! How sqlx connects directly, if it can.

use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::address::{Address, ChannelBindingMode, Endpoint, Host, TargetSession};
use crate::tls::{Roots, SslMode, Verify};
use crate::wire::SessionInfo;

/// A direct connection of sqlx.
pub(super) struct Direct<'a> {
    pub(super) address: &'a Address,
    pub(super) settings: &'a [(&'static str, &'static str)],
}

impl Direct<'_> {
    /// Options for a direct connection. `None` if sqlx would not connect to the same server in the
    /// same way as our own connection. `info` is what the probe found, if there was one.
    pub(super) fn options(&self, info: Option<&SessionInfo>) -> Option<PgConnectOptions> {
        let Address { hosts, tls, .. } = self.address;
        let [host] = hosts.as_slice() else {
            return None;
        };
        if self.needs_own_connection(host) {
            return None;
        }
        let mode = match (&host.endpoint, tls.mode) {
            (Endpoint::Unix(_), _) | (_, SslMode::Disable) => PgSslMode::Disable,
            _ => self.ssl_mode(host, info)?,
        };
        let mut options = self.with_options()?;
        options = match &host.endpoint {
            Endpoint::Unix(path) => options.socket(path),
            Endpoint::Tcp(to) => options.host(to),
        };
        let password = host.password.as_ref();
        Some(
            options
                .port(host.port)
                .password(password.map_or("", |password| &password.0))
                .ssl_mode(mode),
        )
    }

    /// Whether the address has something that sqlx does not support.
    fn needs_own_connection(&self, host: &Host) -> bool {
        let tls = &self.address.tls;
        let is_abstract = |path: &Path| path.as_os_str().as_encoded_bytes().starts_with(b"@");
        matches!(&host.endpoint, Endpoint::Unix(path) if is_abstract(path))
            || self.address.target != TargetSession::Any
            || self.address.channel_binding == ChannelBindingMode::Require
            || self.address.required_auth.is_some()
            || tls.client.is_some()
            || tls.is_direct
            || !tls.sends_name
            || !tls.versions.are_all()
    }

    /// The mode in which sqlx does with TLS what the address says.
    fn ssl_mode(&self, host: &Host, info: Option<&SessionInfo>) -> Option<PgSslMode> {
        let tls = &self.address.tls;
        let is_refused = info
            .and_then(|info| info.tls.as_ref())
            .is_some_and(|tls| tls.is_refused_by_webpki);
        let is_fallback = info.is_some_and(|info| info.is_fallback);
        match (tls.mode, tls.verify()) {
            _ if is_refused => None,
            (SslMode::Prefer, Verify::Nothing) if is_fallback => Some(PgSslMode::Disable),
            (SslMode::Prefer, Verify::Nothing) => Some(PgSslMode::Prefer),
            (SslMode::Require, Verify::Nothing) => Some(PgSslMode::Require),
            // With a file, sqlx would also trust the authorities of the system.
            (SslMode::VerifyFull, _) => {
                let by_system = matches!(tls.roots, Roots::System | Roots::Unset);
                let is_by_name = host.endpoint == Endpoint::Tcp(host.name.clone());
                (by_system && is_by_name && info.is_some()).then_some(PgSslMode::VerifyFull)
            }
            _ => None,
        }
    }

    /// Options with the `options` parameter of the address. sqlx accepts its raw text only in a URL,
    /// and appends it to `PGOPTIONS`.
    fn with_options(&self) -> Option<PgConnectOptions> {
        let of_environment = std::env::var("PGOPTIONS").ok().filter(|v| !v.is_empty());
        let options = match &self.address.options {
            given if *given == of_environment => PgConnectOptions::new_without_pgpass(),
            Some(given) if of_environment.is_none() => {
                let given = utf8_percent_encode(given, NON_ALPHANUMERIC);
                // Everything is percent-encoded, so it can be parsed.
                format!("postgres://localhost/?password=none&options={given}")
                    .parse()
                    .ok()?
            }
            _ => return None,
        };
        Some(base(self.address, options).options(self.settings.iter().copied()))
    }
}

/// The options of both kinds of connection: direct, and through the gateway.
pub(super) fn base(address: &Address, options: PgConnectOptions) -> PgConnectOptions {
    let mut options = options
        .username(&address.user)
        // Poolers refuse this parameter, and the service reads no floats as text.
        .extra_float_digits(None)
        // Callers log their errors. A slow COPY is normal.
        .disable_statement_logging();
    // As on the server, the default is the user's name.
    options = options.database(address.database.as_deref().unwrap_or(&address.user));
    if let Some(name) = &address.application_name {
        options = options.application_name(name);
    }
    if let Some(capacity) = address.statement_cache {
        options = options.statement_cache_capacity(capacity);
    }
    options
}
