//! Variables of the clouds' own clients that this crate ignores.

const FILES: &str = "profiles and their files are not read: use AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or a role";
const RETRIES: &str =
    "requests are retried for up to one minute, exports up to EXPORTS_MAX_ATTEMPTS times";
const PATH_STYLE: &str = "path-style addressing is the default: set AWS_VIRTUAL_HOSTED_STYLE_REQUEST=true for the other style";
const ENDPOINT: &str = "use AWS_ENDPOINT_URL_S3";
const BUNDLE: &str = "use AWS_CA_BUNDLE or SSL_CERT_FILE";
const CHECKSUMS: &str = "use AWS_CHECKSUM_ALGORITHM";
const ACCOUNT: &str = "use AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY";

/// Variables of the clouds' own clients that have no effect here, and the alternative.
#[rustfmt::skip]
const IGNORED: &[(&str, &str)] = &[
    ("AWS_CONFIG_FILE", FILES),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "use AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    ("AWS_DEFAULT_PROFILE", FILES),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "use AWS_METADATA_ENDPOINT"),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "use AWS_METADATA_ENDPOINT"),
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "unset the endpoint variables instead"),
    ("AWS_MAX_ATTEMPTS", RETRIES),
    ("AWS_PROFILE", FILES),
    ("AWS_REQUEST_CHECKSUM_CALCULATION", CHECKSUMS),
    ("AWS_RESPONSE_CHECKSUM_VALIDATION", CHECKSUMS),
    ("AWS_RETRY_MODE", RETRIES),
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
    ("GOOGLE_CLOUD_PROJECT", "the bucket name is enough"),
    ("REQUESTS_CA_BUNDLE", BUNDLE),
];

/// A variable that has no effect without the other one.
const REQUIRES: [(&str, &str); 3] = [
    ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ),
];

/// The variables that the cloud's own clients know but that have no effect on the store with this URL. One line for each, with
/// the alternative.
#[must_use]
pub fn ignored_variables(store_url: &str, names: &[&str]) -> Vec<String> {
    let prefixes: &[&str] = match store_url.trim_start().split_once("://") {
        Some(("s3", _)) => &["AWS_", "CURL_", "REQUESTS_"],
        Some(("gs", _)) => &["GOOGLE_"],
        Some(("az", _)) => &["AZURE_"],
        _ => &[],
    };
    let is_relevant = |name: &&&str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let line = |name: &&str| {
        if let Some((_, alternative)) = IGNORED.iter().find(|(ignored, _)| ignored == name) {
            return Some(format!("{name} is ignored: {alternative}"));
        }
        let (_, other) = REQUIRES
            .iter()
            .find(|(one, other)| one == name && !names.contains(other))?;
        Some(format!("{name} is ignored without {other}"))
    };
    names.iter().filter(is_relevant).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_variable_is_reported_with_the_alternative() {
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
