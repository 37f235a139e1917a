//! Which addresses are plain HTTP over a network.

use url::{Host, Url};

use crate::env_vars::EnvVars;
use crate::location::{Cloud, Location};

/// Whether requests to this URL cross a network without TLS.
#[must_use]
pub fn is_unencrypted(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => true,
    };
    url.scheme() == "http" && !is_loopback
}

/// The variables of this process that make a store reachable by plain HTTP over a network, each with the host that it names.
#[must_use]
pub fn unencrypted_endpoints(store_url: &str) -> Vec<(&'static str, String)> {
    unencrypted_in(store_url, &EnvVars::of_process())
}

fn unencrypted_in(store_url: &str, env: &EnvVars) -> Vec<(&'static str, String)> {
    let names: &[&str] = match Location::parse(store_url) {
        Ok(Location::Bucket(bucket)) => match bucket.cloud {
            Cloud::S3 => &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"],
            Cloud::Gcs => &["GOOGLE_BASE_URL"],
            Cloud::Azure => &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
        },
        Ok(Location::Directory(_)) | Err(_) => &[],
    };
    let host = |name: &str| {
        let url: Url = env.get(name)?.parse().ok()?;
        is_unencrypted(&url).then(|| url.host_str().unwrap_or_default().to_owned())
    };
    names
        .iter()
        .filter_map(|name| Some((*name, host(name)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(store_url: &str, name: &str, value: &str) -> Vec<(&'static str, String)> {
        unencrypted_in(
            store_url,
            &EnvVars::new([(name.to_owned(), value.to_owned())]),
        )
    }

    #[test]
    fn plain_http_over_a_network_is_found() {
        let expected = vec![("AWS_ENDPOINT_URL", "store.internal".to_owned())];
        let http = "http://store.internal:9000";
        assert_eq!(found("s3://bucket", "AWS_ENDPOINT_URL", http), expected);
        assert_eq!(found("gs://bucket", "GOOGLE_BASE_URL", http).len(), 1);
        assert_eq!(found("az://files", "AZURE_STORAGE_ENDPOINT", http).len(), 1);
    }

    #[test]
    fn tls_loopback_and_variables_of_other_stores_are_not_found() {
        for (store, endpoint) in [
            ("s3://bucket", "https://store.internal"),
            ("s3://bucket", "http://127.0.0.1:9000"),
            ("s3://bucket", "http://[::1]:9000"),
            ("s3://bucket", "http://localhost:9000"),
            ("file:///files", "http://store.internal"),
            ("gs://bucket", "http://store.internal"),
        ] {
            assert_eq!(
                found(store, "AWS_ENDPOINT_URL", endpoint),
                [],
                "{store} {endpoint}"
            );
        }
    }
}
