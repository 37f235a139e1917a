//! The clouds' environment variables: read and cleaned in this one place.
//!
//! A value from a file or a secret often ends with a line break: blanks, line breaks and a byte order mark around a value are
//! dropped. What cannot be sent in a header or stand in a URL is refused by its name, since the clients below would panic over
//! it. No message repeats a value: it may be a secret.

use std::ffi::OsString;
use std::str::FromStr;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use url::Url;

use crate::config::OpenError;
use crate::location::Cloud;

/// Read by the HTTP client itself, which takes no values from here.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Values that are files' contents.
const MULTILINE: [&str; 4] = [
    "AWS_PROXY_CA_CERTIFICATE",
    "AZURE_PROXY_CA_CERTIFICATE",
    "GOOGLE_PROXY_CA_CERTIFICATE",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];

/// Values that are files' names, of which any text can be one.
const PATHS: [&str; 7] = [
    "AWS_CA_BUNDLE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
];

/// Values that are addresses.
const ADDRESSES: [&str; 15] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_METADATA_ENDPOINT",
    "AZURE_AUTHORITY_HOST",
    "AZURE_ENDPOINT",
    "AZURE_FABRIC_TOKEN_SERVICE_URL",
    "AZURE_IDENTITY_ENDPOINT",
    "AZURE_MSI_ENDPOINT",
    "AZURE_STORAGE_AUTHORITY_HOST",
    "AZURE_STORAGE_ENDPOINT",
    "GOOGLE_BASE_URL",
    "IDENTITY_ENDPOINT",
];

const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

const FILES: &str = "profiles and their files are not read; use AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or a role";
const REPEATS: &str =
    "a request is repeated for up to a minute, an export as EXPORTS_MAX_ATTEMPTS says";
const PATH_STYLE: &str =
    "path-style addresses are the default, AWS_VIRTUAL_HOSTED_STYLE_REQUEST=true changes it";
const ENDPOINT: &str = "use AWS_ENDPOINT_URL_S3";
const BUNDLE: &str = "use AWS_CA_BUNDLE or SSL_CERT_FILE";
const CHECKSUMS: &str = "use AWS_CHECKSUM_ALGORITHM";
const ACCOUNT: &str = "use AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY";

/// Usual variables of the clouds' own clients that have no effect here, and what to use instead.
const IGNORED: &[(&str, &str)] = &[
    ("AWS_CONFIG_FILE", FILES),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "use AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ),
    ("AWS_DEFAULT_PROFILE", FILES),
    (
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "use AWS_METADATA_ENDPOINT",
    ),
    (
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "use AWS_METADATA_ENDPOINT",
    ),
    (
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "unset the endpoints' variables",
    ),
    ("AWS_MAX_ATTEMPTS", REPEATS),
    ("AWS_PROFILE", FILES),
    ("AWS_REQUEST_CHECKSUM_CALCULATION", CHECKSUMS),
    ("AWS_RESPONSE_CHECKSUM_VALIDATION", CHECKSUMS),
    ("AWS_RETRY_MODE", REPEATS),
    ("AWS_S3_ADDRESSING_STYLE", PATH_STYLE),
    ("AWS_S3_FORCE_PATH_STYLE", PATH_STYLE),
    ("AWS_SECURITY_TOKEN", "use AWS_SESSION_TOKEN"),
    ("AWS_SHARED_CREDENTIALS_FILE", FILES),
    ("AWS_STS_REGIONAL_ENDPOINTS", "use AWS_ENDPOINT_URL_STS"),
    ("AWS_USE_DUALSTACK_ENDPOINT", ENDPOINT),
    ("AWS_USE_FIPS_ENDPOINT", ENDPOINT),
    ("AZURE_STORAGE_ACCOUNT", ACCOUNT),
    ("AZURE_STORAGE_CONNECTION_STRING", ACCOUNT),
    ("AZURE_STORAGE_KEY", ACCOUNT),
    ("CURL_CA_BUNDLE", BUNDLE),
    ("GOOGLE_CLOUD_PROJECT", "the bucket's name is enough"),
    ("REQUESTS_CA_BUNDLE", BUNDLE),
];

/// Environment variables. An empty one counts as unset, as deployment files cannot leave one out.
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let set = |(_, value): &(String, String)| !cleaned(value).is_empty();
        Self(variables.into_iter().filter(set).collect())
    }

    /// This process's. What is not UTF-8 in a value is replaced by a character that [`check`](Self::check) refuses.
    pub(crate) fn of_process() -> Self {
        let text = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        };
        Self::new(std::env::vars_os().filter_map(text))
    }

    /// The variables that begin with `prefix` and that the client knows.
    pub(crate) fn keys<K: FromStr>(&self, prefix: &str) -> impl Iterator<Item = (K, &str)> {
        self.0.iter().filter_map(move |(name, value)| {
            let key = name
                .starts_with(prefix)
                .then(|| name.to_ascii_lowercase().parse().ok());
            Some((key??, cleaned(value)))
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| cleaned(value))
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        let on = ["1", "true", "on", "yes", "y"];
        self.get(name)
            .is_some_and(|value| on.contains(&value.to_ascii_lowercase().as_str()))
    }

    /// Whether all values of one cloud can be used, by their form alone.
    pub(crate) fn check(&self, cloud: Cloud) -> Result<(), OpenError> {
        for (name, raw) in &self.0 {
            let proxy = PROXIES.contains(&name.to_ascii_uppercase().as_str());
            if proxy && raw.chars().any(char::is_control) {
                return refused(name, "it holds a line break or another control character");
            }
            if cloud.reads(name) {
                check(name, cleaned(raw))?;
            }
        }
        Ok(())
    }
}

impl Cloud {
    /// Whether a variable has an effect. The clients' own names for their settings have the cloud's prefix.
    fn reads(self, name: &str) -> bool {
        let key = name.to_ascii_lowercase();
        match self {
            Self::S3 => {
                name == "AWS_CA_BUNDLE"
                    || name.starts_with("AWS_") && AmazonS3ConfigKey::from_str(&key).is_ok()
            }
            Self::Gcs => name.starts_with("GOOGLE_") && GoogleConfigKey::from_str(&key).is_ok(),
            Self::Azure => {
                name == "IDENTITY_ENDPOINT"
                    || name.starts_with("AZURE_") && AzureConfigKey::from_str(&key).is_ok()
            }
        }
    }
}

fn check(name: &str, value: &str) -> Result<(), OpenError> {
    if MULTILINE.contains(&name) {
        return Ok(());
    }
    if value.chars().any(char::is_control) {
        return refused(name, "it holds a line break or another control character");
    }
    if PATHS.contains(&name) {
        return Ok(());
    }
    if !value.is_ascii() {
        return refused(name, "it holds characters other than ASCII");
    }
    let is_label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if REGIONS.contains(&name) && !value.chars().all(is_label) {
        return refused(name, "it holds characters that no region has");
    }
    if ADDRESSES.contains(&name) && !can_be_asked(value) {
        return refused(name, "it is not an address such as https://host:port");
    }
    if name == "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        && !can_be_asked(&format!("http://169.254.170.2{value}"))
    {
        return refused(name, "it is not the path of an address");
    }
    Ok(())
}

/// For two parsers, which do not agree: one is ours, one the client's.
fn can_be_asked(value: &str) -> bool {
    let Ok(url) = Url::parse(value) else {
        return false;
    };
    let uri: Result<http::Uri, _> = value.parse();
    url.has_host() && uri.is_ok_and(|uri| uri.host().is_some())
}

/// Without what surrounds a value that was read from a file.
fn cleaned(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
}

fn refused<T>(name: &str, reason: &str) -> Result<T, OpenError> {
    Err(OpenError::Environment(format!("{name}: {reason}")))
}

/// Variables that count only together.
const TOGETHER: [(&str, &str); 3] = [
    ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ),
];

/// Which of these variables have no effect on the store with this URL although its cloud's own clients know them, and what to
/// use instead: a line for each.
#[must_use]
pub fn ignored_variables(store_url: &str, names: &[&str]) -> Vec<String> {
    let prefixes: &[&str] = match store_url.trim_start().split_once("://") {
        Some(("s3", _)) => &["AWS_", "CURL_", "REQUESTS_"],
        Some(("gs", _)) => &["GOOGLE_"],
        Some(("az", _)) => &["AZURE_"],
        _ => &[],
    };
    let counts = |name: &&&str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let line = |name: &&str| {
        let instead = IGNORED.iter().find(|(ignored, _)| ignored == name);
        let alone = TOGETHER
            .iter()
            .find(|(one, other)| one == name && !names.contains(other));
        match (instead, alone) {
            (Some((_, instead)), _) => Some(format!("{name} is ignored: {instead}")),
            (None, Some((_, other))) => Some(format!("{name} is ignored without {other}")),
            (None, None) => None,
        }
    };
    names.iter().filter(counts).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment::new(variables.iter().map(owned))
    }

    #[test]
    fn what_surrounds_a_value_is_dropped() {
        for raw in [
            "us-east-1\n",
            "us-east-1\r\n",
            " \tus-east-1 ",
            "\u{feff}us-east-1\n\n",
        ] {
            let environment = environment(&[("AWS_REGION", raw)]);
            assert_eq!(environment.get("AWS_REGION"), Some("us-east-1"), "{raw:?}");
            environment.check(Cloud::S3).unwrap();
        }
        assert_eq!(
            environment(&[("AWS_REGION", " \n")]).get("AWS_REGION"),
            None
        );
        assert!(environment(&[("AWS_ALLOW_HTTP", "True\n")]).is_on("AWS_ALLOW_HTTP"));
    }

    #[test]
    fn what_no_request_can_hold_is_refused_by_its_name() {
        for (cloud, name, value) in [
            (Cloud::S3, "AWS_ACCESS_KEY_ID", "a\nb"),
            (Cloud::S3, "AWS_ACCESS_KEY_ID", "clé"),
            (Cloud::S3, "AWS_SECRET_ACCESS_KEY", "a\rb"),
            (Cloud::S3, "AWS_SESSION_TOKEN", "a\u{1}b"),
            (Cloud::S3, "AWS_SESSION_TOKEN", "a\u{7f}b"),
            (Cloud::S3, "AWS_REGION", "us east"),
            (Cloud::S3, "AWS_DEFAULT_REGION", "us/east"),
            (Cloud::S3, "AWS_ENDPOINT_URL", "http://a\nb"),
            (Cloud::S3, "AWS_ENDPOINT_URL_S3", "http://gärage:3900"),
            (Cloud::S3, "AWS_ENDPOINT_URL_STS", "sts"),
            (Cloud::S3, "AWS_METADATA_ENDPOINT", "169.254.169.254"),
            (Cloud::S3, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/a b"),
            (
                Cloud::S3,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://a b/",
            ),
            (Cloud::S3, "AWS_CA_BUNDLE", "/a\nb"),
            (Cloud::S3, "https_proxy", "http://proxy:3128\n"),
            (Cloud::Gcs, "GOOGLE_BASE_URL", "storage"),
            (Cloud::Gcs, "GOOGLE_BEARER_TOKEN", "a\nb"),
            (Cloud::Azure, "AZURE_STORAGE_TOKEN", "a\nb"),
            (Cloud::Azure, "IDENTITY_ENDPOINT", "here"),
            (Cloud::Azure, "AZURE_STORAGE_ENDPOINT", "a b"),
        ] {
            let refused = environment(&[(name, value)]).check(cloud).unwrap_err();
            let line = refused.to_string();
            assert!(line.starts_with(&format!("{name}: it ")), "{line}");
            assert!(!line.contains(value), "{line}");
        }
    }

    #[test]
    fn a_file_s_name_may_be_any_and_its_content_has_lines() {
        let variables = [
            ("AWS_CA_BUNDLE", "/etc/schlüssel.pem"),
            ("AWS_USE_FIPS_ENDPOINT", "true"),
            ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "préféré"),
            (
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "/v2/credentials/x",
            ),
        ];
        environment(&variables).check(Cloud::S3).unwrap();
        let key = [("GOOGLE_SERVICE_ACCOUNT_KEY", "{\n}")];
        environment(&key).check(Cloud::Gcs).unwrap();
    }

    #[test]
    fn other_clouds_variables_do_not_count() {
        let variables = [("AWS_SESSION_TOKEN", "a\nb")];
        environment(&variables).check(Cloud::Gcs).unwrap();
    }

    #[test]
    fn a_variable_without_effect_is_told_with_what_to_use_instead() {
        let names = [
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_ROLE_ARN",
            "CURL_CA_BUNDLE",
        ];
        assert_eq!(
            ignored_variables("s3://b", &names),
            [
                format!("AWS_PROFILE is ignored: {FILES}"),
                "AWS_ROLE_ARN is ignored without AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(),
                format!("CURL_CA_BUNDLE is ignored: {BUNDLE}"),
            ]
        );
        assert_eq!(ignored_variables("file:///x", &names), [""; 0]);
    }
}
