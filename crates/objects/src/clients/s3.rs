//! The clients of an S3 bucket: credentials, certificates, addressing, and the integrity protection of request bodies.

use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as S3Key, Checksum};
use url::{Host, Url};

use super::common::{Clients, Names, build_error, check_endpoints, read_file};
use super::retry_profile::{QUICK, RetryProfile, TRANSFER, no_retries};
use crate::config::OpenError;
use crate::env_vars::EnvVars;
use crate::location::{Bucket, Cloud};
use crate::transport::{Connector, Signer};

const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

const NO_CREDENTIALS: &str =
    "must be set: AWS_EC2_METADATA_DISABLED is on, and there are no other credentials";

/// Settings: `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, …. Addressing is
/// path-style unless `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` is on, because few servers besides Amazon have one host per bucket.
pub(crate) fn s3(
    bucket: Bucket,
    env: &EnvVars,
    public: Option<Url>,
) -> Result<Clients<AmazonS3>, OpenError> {
    env.validate(Cloud::S3)?;
    check_endpoints(env, &ENDPOINTS, "AWS_ALLOW_HTTP")?;
    check_credentials(env)?;
    let roots = ca_bundle(env)?;
    let build = |builder: AmazonS3Builder, profile: &RetryProfile| {
        let signer = Arc::new(Signer::new(region(env)));
        let metadata = env.get("AWS_METADATA_ENDPOINT");
        let connector = Connector {
            signer: Arc::clone(&signer),
            metadata_host: metadata.and_then(|url| Some(Url::parse(url).ok()?.host_str()?.into())),
            allows_metadata_v1: env.is_on("AWS_IMDSV1_FALLBACK"),
            ..profile.connector(&roots)
        };
        let built = builder.with_http_connector(connector).build();
        let client = built.map_err(|error| build_error("AWS_", &error))?;
        signer.use_credentials(client.credentials().clone());
        Ok(client)
    };
    let quick = build(builder(&bucket, env, &QUICK), &QUICK)?;
    let links = match public {
        Some(public) => {
            let builder = builder(&bucket, env, &QUICK)
                .with_config(S3Key::S3Endpoint, public.as_str().trim_end_matches('/'))
                .with_credentials(quick.credentials().clone());
            build(builder, &QUICK)?
        }
        None => quick.clone(),
    };
    let transfer = build(builder(&bucket, env, &TRANSFER), &TRANSFER)?;
    let mut clients = Clients::new(bucket, transfer, quick, links);
    clients.roots = roots;
    clients.needs_equal_parts = needs_equal_parts(env);
    clients.names = names(env);
    Ok(clients)
}

/// Cloudflare R2 refuses to complete an upload whose parts differ in size, except for the last one.
fn needs_equal_parts(env: &EnvVars) -> bool {
    let endpoints = ENDPOINTS.iter().filter_map(|name| env.get(name));
    endpoints
        .filter_map(|endpoint| Url::parse(endpoint).ok())
        .any(|url| {
            url.host_str()
                .is_some_and(|host| host.ends_with(".r2.cloudflarestorage.com"))
        })
}

fn names(env: &EnvVars) -> Names {
    let region = env.first_of(&REGIONS).or(Some(REGIONS[0]));
    let web_identity = env.first_of(&["AWS_WEB_IDENTITY_TOKEN_FILE"]);
    Names {
        // Without an endpoint the region is a part of the host name.
        endpoint: env.first_of(&ENDPOINTS).or(region),
        region,
        access_key: env.first_of(&[ACCESS_KEY]).or(web_identity),
        secret: env.first_of(&[SECRET]).or(web_identity),
        session_token: env.first_of(&["AWS_SESSION_TOKEN"]),
        web_identity,
    }
}

/// The region, by the same rule as the client.
fn region(env: &EnvVars) -> String {
    let region = env.get("AWS_REGION").or(env.get("AWS_DEFAULT_REGION"));
    region.unwrap_or("us-east-1").to_owned()
}

/// Checks that there are credentials if the metadata service is disabled, and that the token file contains a valid header value:
/// the client panics over a line break, which files often end with.
fn check_credentials(env: &EnvVars) -> Result<(), OpenError> {
    const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    for (name, other) in [(ACCESS_KEY, SECRET), (SECRET, ACCESS_KEY)] {
        if env.get(name).is_some() && env.get(other).is_none() {
            return Err(OpenError::variable(
                other,
                format!("must be set with {name}"),
            ));
        }
    }
    let has = |names: &[&str]| names.iter().all(|name| env.get(name).is_some());
    let has_other_credentials = has(&["AWS_ACCESS_KEY_ID"])
        || has(&["AWS_SECRET_ACCESS_KEY"])
        || has(&["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"])
        || has(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]);
    let uses_token_file = has(&[FULL_URI, TOKEN_FILE]) && !has_other_credentials;
    if !has_other_credentials
        && !uses_token_file
        && !env.is_on("AWS_SKIP_SIGNATURE")
        && env.is_on("AWS_EC2_METADATA_DISABLED")
    {
        return Err(OpenError::variable(
            format!("{ACCESS_KEY} and {SECRET}"),
            NO_CREDENTIALS,
        ));
    }
    if let Some(path) = env.get(TOKEN_FILE).filter(|_| uses_token_file) {
        let token = read_file(TOKEN_FILE, path)?;
        if !token
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        {
            let problem = format!("{path} contains a line break or characters other than ASCII");
            return Err(OpenError::variable(TOKEN_FILE, problem));
        }
    }
    Ok(())
}

/// The certificates of `AWS_CA_BUNDLE`, which are trusted in addition to those of the system.
fn ca_bundle(env: &EnvVars) -> Result<Vec<reqwest::Certificate>, OpenError> {
    const VARIABLE: &str = "AWS_CA_BUNDLE";
    let Some(path) = env.get(VARIABLE) else {
        return Ok(Vec::new());
    };
    let pem = read_file(VARIABLE, path)?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if roots.is_empty() {
        let problem = format!("{path} contains no certificate in PEM format");
        return Err(OpenError::variable(VARIABLE, problem));
    }
    Ok(roots)
}

/// The path to an endpoint, from the safest to the least safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NetworkPath {
    Tls,
    /// Plain HTTP within this machine.
    Loopback,
    /// Plain HTTP over a network.
    Network,
}

impl NetworkPath {
    /// The least safe path of all configured endpoints, because the client decides which one it uses.
    fn least_safe(env: &EnvVars) -> Self {
        let endpoints = ENDPOINTS.iter().filter_map(|name| env.get(name));
        endpoints.map(Self::to).max().unwrap_or(Self::Tls)
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

/// Each request body has exactly one integrity protection, because hashing a body for the signature costs as much as encoding
/// it, here and again in the store. Plain HTTP over a network: the signature covers the body. TLS: TLS. Loopback: a cheap checksum
/// that detects accidents. `AWS_UNSIGNED_PAYLOAD` overrides all of this.
pub(super) fn builder(bucket: &Bucket, env: &EnvVars, profile: &RetryProfile) -> AmazonS3Builder {
    let path = NetworkPath::least_safe(env);
    let mut builder = AmazonS3Builder::new()
        .with_retry(no_retries())
        .with_unsigned_payload(path != NetworkPath::Network);
    if path == NetworkPath::Loopback && env.get("AWS_UNSIGNED_PAYLOAD").is_none() {
        builder = builder.with_checksum_algorithm(Checksum::CRC64NVME);
    }
    for (key, value) in profile.timeouts() {
        builder = builder.with_config(S3Key::Client(key), value);
    }
    for (key, value) in env.keys("AWS_") {
        builder = builder.with_config(key, value);
    }
    // Keys are deleted one at a time. Some servers do not support the bulk request.
    builder
        .with_bucket_name(&bucket.name)
        .with_disable_bulk_delete(true)
}
