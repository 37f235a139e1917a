//! Reports what is not protected: connections without TLS over a network, and a directory that others can read.

use exports_objects::{is_unencrypted, unencrypted_endpoints};
use exports_service::settings::{ApiSettings, StoreSettings};
use url::Url;

use super::report::{Finding, Report};
use crate::error::Result;

/// The connections of one database.
pub(super) fn database(
    report: &mut Report,
    what: &str,
    variable: &str,
    unencrypted_servers: &[String],
) -> Result<()> {
    if unencrypted_servers.is_empty() {
        return Ok(());
    }
    let text = format!(
        "connections to {} may be unencrypted, and others on the network could read messages and change them: \
         add sslmode=verify-full to {variable}, with sslrootcert=FILE for a private authority; sslmode=require \
         encrypts without a check of the server",
        unencrypted_servers.join(", ")
    );
    report.add(what, &Finding::warn(text))
}

/// The requests to the store, and the links of consumers.
pub(super) fn http(report: &mut Report, store: &StoreSettings, api: &ApiSettings) -> Result<()> {
    for (variable, host) in unencrypted_endpoints(&store.url) {
        let text = format!(
            "requests to {host} are plain HTTP, and others on the network could read files: set {variable} to \
             an https:// address"
        );
        report.add("store TLS", &Finding::warn(text))?;
    }
    let public_endpoint = store.public_endpoint.as_deref();
    let public_endpoint = public_endpoint.and_then(|url| url.parse::<Url>().ok());
    for (variable, url) in [
        (
            "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
            public_endpoint.as_ref(),
        ),
        ("EXPORTS_PUBLIC_URL", api.public_url.as_ref()),
    ] {
        let Some(url) = url.filter(|url| is_unencrypted(url)) else {
            continue;
        };
        let text = format!(
            "consumers use {} over plain HTTP, and others on the network could read keys and files: set \
             {variable} to an https:// address",
            url.host_str().unwrap_or_default()
        );
        report.add("public TLS", &Finding::warn(text))?;
    }
    Ok(())
}

/// The directory of a file store that existed before. The services create theirs with mode 0700.
pub(super) fn directory(report: &mut Report, mode: Option<u32>) -> Result<()> {
    let Some(mode) = mode else {
        return Ok(());
    };
    let text = format!(
        "the directory has mode {mode:04o}, so other users of this machine may read files: run chmod 700 on it, \
         and run the API and the workers as one user"
    );
    report.add("store directory", &Finding::warn(text))
}
