//! The HTTP client below the transport, by the options that the variables give (`AWS_TIMEOUT`, `AWS_PROXY_URL`, …).
//!
//! As `object_store` builds its own, except that redirects are not followed: a signature is for one address.

use std::time::Duration;

use object_store::client::ClientConfigKey as Key;
use object_store::{ClientOptions, Error};
use reqwest::redirect::Policy;
use reqwest::{Certificate, NoProxy, Proxy};

pub(super) fn build(
    options: &ClientOptions,
    roots: &[Certificate],
) -> Result<reqwest::Client, Error> {
    let text = |key: Key| options.get_config_value(&key);
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .https_only(!flag(options, Key::AllowHttp)?)
        .user_agent(concat!("exports/", env!("CARGO_PKG_VERSION")))
        .http1_only();
    if let Some(agent) = text(Key::UserAgent) {
        builder = builder.user_agent(agent);
    }
    if let Some(url) = text(Key::ProxyUrl) {
        let mut proxy = Proxy::all(url).map_err(failed)?;
        if let Some(certificate) = text(Key::ProxyCaCertificate) {
            let certificate = Certificate::from_pem(certificate.as_bytes()).map_err(failed)?;
            builder = builder.tls_certs_merge([certificate]);
        }
        if let Some(excluded) = text(Key::ProxyExcludes) {
            proxy = proxy.no_proxy(NoProxy::from_string(&excluded));
        }
        builder = builder.proxy(proxy);
    }
    let roots = roots.iter().cloned();
    builder = if flag(options, Key::NoSystemCertificates)? {
        builder.tls_certs_only(roots)
    } else {
        builder.tls_certs_merge(roots)
    };
    if let Some(timeout) = duration(options, Key::Timeout)? {
        builder = builder.timeout(timeout);
    }
    if let Some(timeout) = duration(options, Key::ConnectTimeout)? {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(timeout) = duration(options, Key::ReadTimeout)? {
        builder = builder.read_timeout(timeout);
    }
    if let Some(timeout) = duration(options, Key::PoolIdleTimeout)? {
        builder = builder.pool_idle_timeout(timeout);
    }
    if let Some(most) = text(Key::PoolMaxIdlePerHost) {
        let most = most.parse().ok();
        let most = most.ok_or_else(|| wrong(Key::PoolMaxIdlePerHost, "a number"))?;
        builder = builder.pool_max_idle_per_host(most);
    }
    if flag(options, Key::AllowInvalidCertificates)? {
        builder = builder.danger_accept_invalid_certs(true);
    }
    builder.build().map_err(failed)
}

fn flag(options: &ClientOptions, key: Key) -> Result<bool, Error> {
    let text = options.get_config_value(&key).unwrap_or_default();
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Ok(true),
        "" | "0" | "false" | "off" | "no" | "n" => Ok(false),
        _ => Err(wrong(key, "true or false")),
    }
}

fn duration(options: &ClientOptions, key: Key) -> Result<Option<Duration>, Error> {
    let Some(text) = options.get_config_value(&key) else {
        return Ok(None);
    };
    let read = humantime::parse_duration(&text).map(Some);
    read.map_err(|_| wrong(key, "a duration such as 30s"))
}

/// Does not repeat the value, as no message about a cloud's variable does.
fn wrong(key: Key, expected: &str) -> Error {
    generic(format!("{}: expected {expected}", key.as_ref()).into())
}

fn failed(error: reqwest::Error) -> Error {
    generic(Box::new(error.without_url()))
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let store = "HTTP client";
    Error::Generic { store, source }
}
