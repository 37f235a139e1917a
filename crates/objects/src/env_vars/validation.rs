//! Validation of the clouds' variables by their form alone.
//!
//! The clients panic over a value that cannot be in a header or a URL, so such values are rejected here. No error message
//! contains a value: it may be a secret.

use std::str::FromStr;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use url::Url;

use crate::config::OpenError;
use crate::location::Cloud;

/// The HTTP client reads these from the process environment, untrimmed.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Values that are the contents of files.
#[rustfmt::skip]
const MULTILINE: [&str; 4] = [
    "AWS_PROXY_CA_CERTIFICATE", "AZURE_PROXY_CA_CERTIFICATE", "GOOGLE_PROXY_CA_CERTIFICATE",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];

/// Values that are file names, which may be any text.
#[rustfmt::skip]
const PATHS: [&str; 7] = [
    "AWS_CA_BUNDLE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
];

/// Values that are URLs.
#[rustfmt::skip]
const URLS: [&str; 15] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS", "AWS_METADATA_ENDPOINT", "AZURE_AUTHORITY_HOST", "AZURE_ENDPOINT",
    "AZURE_FABRIC_TOKEN_SERVICE_URL", "AZURE_IDENTITY_ENDPOINT", "AZURE_MSI_ENDPOINT",
    "AZURE_STORAGE_AUTHORITY_HOST", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL", "IDENTITY_ENDPOINT",
];

const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

const CONTROL_CHARACTER: &str = "must not contain a line break or another control character";

/// Validates one variable, if the cloud's client reads it.
pub(super) fn validate(
    cloud: Cloud,
    name: &str,
    raw: &str,
    trimmed: &str,
) -> Result<(), OpenError> {
    let is_proxy = PROXIES.contains(&name.to_ascii_uppercase().as_str());
    let problem = if is_proxy && raw.chars().any(char::is_control) {
        Some(CONTROL_CHARACTER)
    } else if is_read_by(cloud, name) {
        problem(name, trimmed)
    } else {
        None
    };
    match problem {
        Some(problem) => Err(OpenError::variable(name, problem)),
        None => Ok(()),
    }
}

/// The clients' own names for their settings have the cloud's prefix.
fn is_read_by(cloud: Cloud, name: &str) -> bool {
    let key = name.to_ascii_lowercase();
    match cloud {
        Cloud::S3 => {
            name == "AWS_CA_BUNDLE"
                || name.starts_with("AWS_") && AmazonS3ConfigKey::from_str(&key).is_ok()
        }
        Cloud::Gcs => name.starts_with("GOOGLE_") && GoogleConfigKey::from_str(&key).is_ok(),
        Cloud::Azure => {
            name == "IDENTITY_ENDPOINT"
                || name.starts_with("AZURE_") && AzureConfigKey::from_str(&key).is_ok()
        }
    }
}

fn problem(name: &str, value: &str) -> Option<&'static str> {
    if MULTILINE.contains(&name) {
        return None;
    }
    if value.chars().any(char::is_control) {
        return Some(CONTROL_CHARACTER);
    }
    if is_quoted(value) {
        return Some("must not have quotes around its value: remove them");
    }
    if PATHS.contains(&name) {
        return None;
    }
    if !value.is_ascii() {
        return Some("must be ASCII");
    }
    let is_label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if REGIONS.contains(&name) && !value.chars().all(is_label) {
        return Some("must be a region such as eu-west-1");
    }
    if URLS.contains(&name) && !is_url(value) {
        return Some("must be a URL such as https://host:port");
    }
    if name == "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        && !is_url(&format!("http://169.254.170.2{value}"))
    {
        return Some("must be the path of a URL");
    }
    None
}

/// Compose and environment files keep the quotes that a shell would remove.
fn is_quoted(value: &str) -> bool {
    let quoted_by =
        |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    quoted_by('"') || quoted_by('\'')
}

/// Valid for both parsers, which differ: ours (`url`) and the client's (`http`).
fn is_url(value: &str) -> bool {
    let Ok(url) = Url::parse(value) else {
        return false;
    };
    let uri: Result<http::Uri, _> = value.parse();
    url.has_host() && uri.is_ok_and(|uri| uri.host().is_some())
}
