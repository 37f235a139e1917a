//! Builds the clients of the clouds from their usual environment variables.
//!
//! Owns which variables count, how long a request may take and how often it is tried; not what the requests are for.

use std::sync::Arc;
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
use crate::env_vars::Environment;
use crate::error_classification;
use crate::location::{Bucket, Cloud, check_endpoint};
use crate::transport::{Connector, Retries, Signer};

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
    /// Certificates that are trusted besides the system's.
    pub(crate) roots: Vec<reqwest::Certificate>,
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

    fn connector(&self, roots: &[reqwest::Certificate]) -> Connector {
        Connector {
            retries: Retries {
                count: self.retries,
                window: self.window,
            },
            roots: roots.to_vec(),
            signer: Arc::default(),
            metadata_host: None,
            asks_older_metadata: false,
        }
    }
}

/// The transport repeats requests, so the client does not.
fn once() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: Duration::ZERO,
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
    /// The worst of all endpoints that are named. Of several it is not said here which one counts.
    fn worst(env: &Environment, endpoints: &[&str]) -> Self {
        let named = endpoints.iter().filter_map(|name| env.get(name));
        named.map(Self::to).max().unwrap_or(Self::Tls)
    }

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

const AZURE_ENDPOINTS: [&str; 2] = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"];
const S3_ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

const NO_METADATA: &str = "AWS_EC2_METADATA_DISABLED is on, and there are no other credentials: set AWS_ACCESS_KEY_ID and \
     AWS_SECRET_ACCESS_KEY";

/// `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, … Addressing is
/// path-style unless `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` is on: servers other than Amazon's seldom have a host per bucket.
pub(crate) fn s3(
    bucket: Bucket,
    env: &Environment,
    public: Option<Url>,
) -> Result<Clients<AmazonS3>, OpenError> {
    env.check(Cloud::S3)?;
    check_endpoints(env, &S3_ENDPOINTS, "AWS_ALLOW_HTTP")?;
    check_credentials(env)?;
    let roots = ca_bundle(env)?;
    let build = |builder: AmazonS3Builder, pace: &Pace| {
        let signer = Arc::new(Signer::new(region(env)));
        let metadata = env.get("AWS_METADATA_ENDPOINT");
        let connector = Connector {
            signer: Arc::clone(&signer),
            metadata_host: metadata.and_then(|url| Some(Url::parse(url).ok()?.host_str()?.into())),
            asks_older_metadata: env.is_on("AWS_IMDSV1_FALLBACK"),
            ..pace.connector(&roots)
        };
        let built = builder.with_http_connector(connector).build();
        let client = built.map_err(|error| refused(&error))?;
        signer.use_credentials(client.credentials().clone());
        Ok(client)
    };
    let quick = build(s3_builder(&bucket, env, &QUICK), &QUICK)?;
    let links = match public {
        Some(public) => {
            let builder = s3_builder(&bucket, env, &QUICK)
                .with_config(S3Key::S3Endpoint, public.as_str().trim_end_matches('/'))
                .with_credentials(quick.credentials().clone());
            build(builder, &QUICK)?
        }
        None => quick.clone(),
    };
    let bulk = build(s3_builder(&bucket, env, &BULK), &BULK)?;
    let mut clients = Clients::new(bucket, bulk, quick, links);
    clients.roots = roots;
    Ok(clients)
}

/// As the client finds it.
fn region(env: &Environment) -> String {
    let region = env.get("AWS_REGION").or(env.get("AWS_DEFAULT_REGION"));
    region.unwrap_or("us-east-1").to_owned()
}

fn check_endpoints(
    env: &Environment,
    variables: &[&str],
    allow_http: &str,
) -> Result<(), OpenError> {
    let allow = (allow_http, env.is_on(allow_http));
    variables
        .iter()
        .filter_map(|name| Some((name, env.get(name)?)))
        .try_for_each(|(name, value)| check_endpoint(name, value, allow))
}

/// Whether there are any where the machine's own must not be asked for, and whether a token that a header will hold can be
/// there: a file often ends with a line break, over which the client would panic.
fn check_credentials(env: &Environment) -> Result<(), OpenError> {
    const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    let has = |names: &[&str]| names.iter().all(|name| env.get(name).is_some());
    let (is_static, by_web_identity, by_task, by_pod) = (
        env.get("AWS_ACCESS_KEY_ID").is_some() || env.get("AWS_SECRET_ACCESS_KEY").is_some(),
        has(&["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"]),
        has(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]),
        has(&[FULL_URI, TOKEN_FILE]),
    );
    let is_given = is_static || by_web_identity || by_task || by_pod;
    let is_anonymous = env.is_on("AWS_SKIP_SIGNATURE");
    if !is_given && !is_anonymous && env.is_on("AWS_EC2_METADATA_DISABLED") {
        return Err(OpenError::Environment(NO_METADATA.to_owned()));
    }
    if let Some(path) = env.get(TOKEN_FILE)
        && by_pod
        && !is_static
        && !by_web_identity
        && !by_task
    {
        let wrong = |reason: String| OpenError::Environment(format!("{TOKEN_FILE}: {reason}"));
        let token = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        if !token.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            let reason = "the file holds a line break or characters other than ASCII";
            return Err(wrong(reason.to_owned()));
        }
    }
    Ok(())
}

/// The certificates of `AWS_CA_BUNDLE`, which are trusted besides the system's.
fn ca_bundle(env: &Environment) -> Result<Vec<reqwest::Certificate>, OpenError> {
    let Some(path) = env.get("AWS_CA_BUNDLE") else {
        return Ok(Vec::new());
    };
    let wrong = |reason: String| OpenError::Environment(format!("AWS_CA_BUNDLE: {reason}"));
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if roots.is_empty() {
        return Err(wrong("the file holds no certificates in PEM".to_owned()));
    }
    Ok(roots)
}

/// A body has one guard on its way, as to hash it for its signature costs as much as encoding it, here and again in the store.
/// Over a network in the clear the signature covers it. TLS does without. On this machine nobody alters anything, and a checksum
/// that costs next to nothing finds accidents. Whoever sets `AWS_UNSIGNED_PAYLOAD` has what it says and nothing else.
fn s3_builder(bucket: &Bucket, env: &Environment, pace: &Pace) -> AmazonS3Builder {
    let way = Way::worst(env, &S3_ENDPOINTS);
    let mut builder = AmazonS3Builder::new()
        .with_retry(once())
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
    env.check(Cloud::Gcs)?;
    let build = |pace: &Pace| {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_retry(once())
            .with_http_connector(pace.connector(&[]));
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
    env.check(Cloud::Azure)?;
    check_endpoints(env, &AZURE_ENDPOINTS, "AZURE_ALLOW_HTTP")?;
    let build = |pace: &Pace| {
        let mut builder = MicrosoftAzureBuilder::new()
            .with_retry(once())
            .with_http_connector(pace.connector(&[]));
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
            roots: Vec::new(),
        }
    }
}

fn refused(error: &object_store::Error) -> OpenError {
    OpenError::Environment(error_classification::of(error).reason)
}

#[cfg(test)]
mod tests;
