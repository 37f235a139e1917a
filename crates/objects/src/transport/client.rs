//! The HTTP client below the transport, with the options from the variables (`AWS_TIMEOUT`, `AWS_PROXY_URL`, …).
//!
//! The same as the client of `object_store`, but it does not follow redirects: a signature is valid for one address.

use std::time::Duration;

use object_store::client::ClientConfigKey as Key;
use object_store::{ClientOptions, Error};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, NoProxy, Proxy};

/// TCP keepalive, and how long sent data may remain unacknowledged: the same as for `PostgreSQL`.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn build(
    options: &ClientOptions,
    roots: &[Certificate],
) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .https_only(!flag(options, Key::AllowHttp)?)
        .user_agent(concat!("exports/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .tcp_keepalive(KEEPALIVE_IDLE)
        .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
        .tcp_keepalive_retries(KEEPALIVE_PROBES);
    #[cfg(target_os = "linux")]
    {
        builder = builder.tcp_user_timeout(USER_TIMEOUT);
    }
    if let Some(agent) = options.get_config_value(&Key::UserAgent) {
        builder = builder.user_agent(agent);
    }
    builder = with_proxy(builder, options)?;
    let roots = roots.iter().cloned();
    builder = if flag(options, Key::NoSystemCertificates)? {
        builder.tls_certs_only(roots)
    } else {
        builder.tls_certs_merge(roots)
    };
    if flag(options, Key::AllowInvalidCertificates)? {
        builder = builder.danger_accept_invalid_certs(true);
    }
    with_timeouts(builder, options)?.build().map_err(failed)
}

fn with_proxy(mut builder: ClientBuilder, options: &ClientOptions) -> Result<ClientBuilder, Error> {
    let text = |key: Key| options.get_config_value(&key);
    let Some(url) = text(Key::ProxyUrl) else {
        return Ok(builder);
    };
    let mut proxy = Proxy::all(url).map_err(failed)?;
    if let Some(certificate) = text(Key::ProxyCaCertificate) {
        let certificate = Certificate::from_pem(certificate.as_bytes()).map_err(failed)?;
        builder = builder.tls_certs_merge([certificate]);
    }
    if let Some(excluded) = text(Key::ProxyExcludes) {
        proxy = proxy.no_proxy(NoProxy::from_string(&excluded));
    }
    Ok(builder.proxy(proxy))
}

fn with_timeouts(
    mut builder: ClientBuilder,
    options: &ClientOptions,
) -> Result<ClientBuilder, Error> {
    if let Some(timeout) = duration(options, Key::Timeout)? {
        builder = builder.timeout(timeout);
    }
    if let Some(timeout) = duration(options, Key::ConnectTimeout)? {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(timeout) = duration(options, Key::PoolIdleTimeout)? {
        builder = builder.pool_idle_timeout(timeout);
    }
    if let Some(count) = options.get_config_value(&Key::PoolMaxIdlePerHost) {
        let count = count.parse().ok();
        let count = count.ok_or_else(|| invalid(Key::PoolMaxIdlePerHost, "a number"))?;
        builder = builder.pool_max_idle_per_host(count);
    }
    Ok(builder)
}

/// How long a request may make no progress. The client's own limit would end an upload that is not complete
/// within it, because it counts only received bytes.
pub(super) fn stall_limit(options: &ClientOptions) -> Result<Option<Duration>, Error> {
    duration(options, Key::ReadTimeout)
}

/// The limit for a whole request.
pub(super) fn timeout(options: &ClientOptions) -> Result<Option<Duration>, Error> {
    duration(options, Key::Timeout)
}

fn flag(options: &ClientOptions, key: Key) -> Result<bool, Error> {
    let text = options.get_config_value(&key).unwrap_or_default();
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Ok(true),
        "" | "0" | "false" | "off" | "no" | "n" => Ok(false),
        _ => Err(invalid(key, "true or false")),
    }
}

fn duration(options: &ClientOptions, key: Key) -> Result<Option<Duration>, Error> {
    let Some(text) = options.get_config_value(&key) else {
        return Ok(None);
    };
    let read = humantime::parse_duration(&text).map(Some);
    read.map_err(|_| invalid(key, "a time with a unit such as 30s"))
}

/// The value of an option is invalid. The message does not contain it, because it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("must be {expected}")]
pub(crate) struct InvalidOption {
    pub(crate) key: Key,
    expected: &'static str,
}

fn invalid(key: Key, expected: &'static str) -> Error {
    generic(Box::new(InvalidOption { key, expected }))
}

fn failed(error: reqwest::Error) -> Error {
    generic(Box::new(error.without_url()))
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let store = "HTTP client";
    Error::Generic { store, source }
}
