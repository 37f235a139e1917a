//! Builds the clients of the clouds from their usual environment variables.
//!
//! Owns which variables count, how long a request may take and how often it is tried; not what the requests are for.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as S3Key, Checksum};
use object_store::azure::{AzureConfigKey as AzureKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::client::ClientConfigKey;
use object_store::gcp::{
    GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey as GoogleKey,
};
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};
use url::{Host, Url};

use crate::config::OpenError;
use crate::diagnosis;
use crate::location::{Bucket, check_endpoint};

/// One bucket's clients.
#[derive(Clone)]
pub struct Clients<T> {
    /// For what carries a file.
    pub(crate) bulk: T,
    /// For everything somebody waits for.
    pub(crate) quick: T,
    /// Signs links. A signature covers the host, so this client has the address that consumers see.
    pub(crate) links: T,
    /// The origin that a link gets after it was signed, where the signature does not cover the host.
    pub(crate) link_origin: Option<Url>,
    pub(crate) bucket: String,
    pub(crate) prefix: Path,
}

/// How patient a client is. The variables (`AWS_TIMEOUT`, `AWS_CONNECT_TIMEOUT`, …) override both timeouts.
struct Pace {
    request: &'static str,
    connect: &'static str,
    retries: usize,
    /// No retry begins later than this after the first try.
    window: Duration,
}

/// A part of 8 MiB takes 67 s at 1 Mbit/s, and completing thousands of parts takes some stores minutes: `object_store`'s
/// 30 s would break off what works. A minute of retries rides out a restart of the store; what takes longer is for the
/// job's own retries, which do not hold a database snapshot open meanwhile.
const BULK: Pace = Pace {
    request: "120s",
    connect: "5s",
    retries: 10,
    window: Duration::from_mins(1),
};

/// A HEAD, DELETE or abort is answered at once or the store is in trouble. Kept below 10 s together, so that whoever waits
/// learns what was wrong instead of running into its own limit.
const QUICK: Pace = Pace {
    request: "8s",
    connect: "3s",
    retries: 2,
    window: Duration::from_secs(5),
};

impl Pace {
    fn options(&self) -> [(ClientConfigKey, &'static str); 2] {
        [
            (ClientConfigKey::Timeout, self.request),
            (ClientConfigKey::ConnectTimeout, self.connect),
        ]
    }

    fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: self.retries,
            retry_timeout: self.window,
        }
    }
}

/// Environment variables. An empty one counts as unset, as deployment files cannot leave one out.
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(
            variables
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    /// The variables that begin with `prefix` and that the client knows.
    fn keys<K: std::str::FromStr>(&self, prefix: &str) -> impl Iterator<Item = (K, &str)> {
        self.0.iter().filter_map(move |(name, value)| {
            let key = name
                .starts_with(prefix)
                .then(|| name.to_ascii_lowercase().parse().ok());
            Some((key??, value.as_str()))
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| value.as_str())
    }

    fn is_on(&self, name: &str) -> bool {
        let on = ["1", "true", "on", "yes", "y"];
        self.get(name)
            .is_some_and(|value| on.contains(&value.to_ascii_lowercase().as_str()))
    }

    /// The worst way of all endpoints that are named. Of several it is not said here which one counts.
    fn way(&self, endpoints: &[&str]) -> Way {
        let named = endpoints.iter().filter_map(|name| self.get(name));
        named.map(Way::to).max().unwrap_or(Way::Tls)
    }

    fn check_endpoints(&self, variables: &[&str], allow_http: &str) -> Result<(), OpenError> {
        let allow = (allow_http, self.is_on(allow_http));
        variables
            .iter()
            .filter_map(|name| Some((name, self.get(name)?)))
            .try_for_each(|(name, value)| check_endpoint(name, value, allow))
    }
}

/// What lies between us and an endpoint, the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Tls,
    /// This machine alone.
    Loopback,
    Network,
}

impl Way {
    fn to(endpoint: &str) -> Self {
        let Ok(url) = Url::parse(endpoint) else {
            return Self::Network;
        };
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match url.scheme() {
            "https" => Self::Tls,
            _ if is_loopback => Self::Loopback,
            _ => Self::Network,
        }
    }
}

const S3_ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, … Addressing is
/// path-style unless `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` is on: servers other than Amazon's seldom have a host per bucket.
pub(crate) fn s3(
    bucket: Bucket,
    env: &Environment,
    public: Option<Url>,
) -> Result<Clients<AmazonS3>, OpenError> {
    env.check_endpoints(&S3_ENDPOINTS, "AWS_ALLOW_HTTP")?;
    let builder = |pace: &Pace| s3_builder(&bucket, env, pace);
    let quick = builder(&QUICK).build().map_err(|error| refused(&error))?;
    let links = match public {
        Some(public) => builder(&QUICK)
            .with_config(S3Key::S3Endpoint, public.as_str().trim_end_matches('/'))
            .with_credentials(quick.credentials().clone())
            .build()
            .map_err(|error| refused(&error))?,
        None => quick.clone(),
    };
    let bulk = builder(&BULK).build().map_err(|error| refused(&error))?;
    Ok(Clients::new(bucket, bulk, quick, links))
}

/// A body has one guard on its way, as to hash it for its signature costs as much as encoding it, here and again in the store.
/// Over a network in the clear the signature covers it. TLS does without. On this machine nobody alters anything, and a checksum
/// that costs next to nothing finds accidents. Whoever sets `AWS_UNSIGNED_PAYLOAD` has what it says and nothing else.
fn s3_builder(bucket: &Bucket, env: &Environment, pace: &Pace) -> AmazonS3Builder {
    let way = env.way(&S3_ENDPOINTS);
    let mut builder = AmazonS3Builder::new()
        .with_retry(pace.retry())
        .with_unsigned_payload(way != Way::Network);
    if way == Way::Loopback && env.get("AWS_UNSIGNED_PAYLOAD").is_none() {
        builder = builder.with_checksum_algorithm(Checksum::CRC64NVME);
    }
    for (key, value) in pace.options() {
        builder = builder.with_config(S3Key::Client(key), value);
    }
    for (key, value) in env.keys("AWS_") {
        builder = builder.with_config(key, value);
    }
    // One key at a time is deleted; the bulk request for it is what some servers lack.
    builder
        .with_bucket_name(&bucket.name)
        .with_disable_bulk_delete(true)
}

/// `GOOGLE_SERVICE_ACCOUNT`, `GOOGLE_APPLICATION_CREDENTIALS`, … or the machine's own identity.
pub(crate) fn gcs(
    bucket: Bucket,
    env: &Environment,
    public: Option<&Url>,
) -> Result<Clients<GoogleCloudStorage>, OpenError> {
    if public.is_some() {
        return Err(OpenError::PublicEndpoint(
            "links to Google Cloud Storage are always signed for storage.googleapis.com",
        ));
    }
    let build = |pace: &Pace| {
        let mut builder = GoogleCloudStorageBuilder::new().with_retry(pace.retry());
        for (key, value) in pace.options() {
            builder = builder.with_config(GoogleKey::Client(key), value);
        }
        for (key, value) in env.keys("GOOGLE_") {
            builder = builder.with_config(key, value);
        }
        builder
            .with_bucket_name(&bucket.name)
            .build()
            .map_err(|error| refused(&error))
    };
    let (bulk, quick) = (build(&BULK)?, build(&QUICK)?);
    Ok(Clients::new(bucket, bulk, quick.clone(), quick))
}

/// `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`, … A SAS does not cover the host, so links are signed with
/// our own address and get the public one afterwards.
pub(crate) fn azure(
    bucket: Bucket,
    env: &Environment,
    public: Option<Url>,
) -> Result<Clients<MicrosoftAzure>, OpenError> {
    env.check_endpoints(
        &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
        "AZURE_ALLOW_HTTP",
    )?;
    let build = |pace: &Pace| {
        let mut builder = MicrosoftAzureBuilder::new().with_retry(pace.retry());
        for (key, value) in pace.options() {
            builder = builder.with_config(AzureKey::Client(key), value);
        }
        for (key, value) in env.keys("AZURE_") {
            builder = builder.with_config(key, value);
        }
        if let Some(endpoint) = env.get("IDENTITY_ENDPOINT") {
            builder = builder.with_msi_endpoint(endpoint);
        }
        builder
            .with_container_name(&bucket.name)
            .build()
            .map_err(|error| refused(&error))
    };
    let (bulk, quick) = (build(&BULK)?, build(&QUICK)?);
    let mut clients = Clients::new(bucket, bulk, quick.clone(), quick);
    clients.link_origin = public;
    Ok(clients)
}

impl<T> Clients<T> {
    fn new(bucket: Bucket, bulk: T, quick: T, links: T) -> Self {
        Self {
            bulk,
            quick,
            links,
            link_origin: None,
            bucket: bucket.name,
            prefix: bucket.prefix,
        }
    }
}

fn refused(error: &object_store::Error) -> OpenError {
    OpenError::Environment(diagnosis::of(error).reason)
}

#[cfg(test)]
mod tests;
