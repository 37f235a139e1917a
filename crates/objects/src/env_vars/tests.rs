//! Tests of reading and validating environment variables.

use super::*;

fn environment(variables: &[(&str, &str)]) -> EnvVars {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    EnvVars::new(variables.iter().map(owned))
}

#[test]
fn whitespace_around_a_value_is_removed() {
    for raw in [
        "us-east-1\n",
        "us-east-1\r\n",
        " \tus-east-1 ",
        "\u{feff}us-east-1\n\n",
    ] {
        let environment = environment(&[("AWS_REGION", raw)]);
        assert_eq!(environment.get("AWS_REGION"), Some("us-east-1"), "{raw:?}");
        environment.validate(Cloud::S3).unwrap();
    }
    assert_eq!(
        environment(&[("AWS_REGION", " \n")]).get("AWS_REGION"),
        None
    );
    assert!(environment(&[("AWS_ALLOW_HTTP", "True\n")]).is_on("AWS_ALLOW_HTTP"));
}

#[test]
fn a_value_that_is_invalid_in_requests_is_rejected_by_variable_name() {
    for (cloud, name, value) in [
        (Cloud::S3, "AWS_ACCESS_KEY_ID", "a\nb"),
        (Cloud::S3, "AWS_ACCESS_KEY_ID", "clé"),
        (Cloud::S3, "AWS_SECRET_ACCESS_KEY", "a\rb"),
        (Cloud::S3, "AWS_SESSION_TOKEN", "a\u{1}b"),
        (Cloud::S3, "AWS_SESSION_TOKEN", "a\u{7f}b"),
        (Cloud::S3, "AWS_SECRET_ACCESS_KEY", "'secret'"),
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
        let refused = environment(&[(name, value)]).validate(cloud).unwrap_err();
        let line = refused.to_string();
        assert!(line.starts_with(&format!("{name} must ")), "{line}");
        assert!(!line.contains(value), "{line}");
    }
}

#[test]
fn file_names_may_be_non_ascii_and_file_contents_may_have_line_breaks() {
    let variables = [
        ("AWS_CA_BUNDLE", "/etc/schlüssel.pem"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "préféré"),
        (
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "/v2/credentials/x",
        ),
    ];
    environment(&variables).validate(Cloud::S3).unwrap();
    let key = [("GOOGLE_SERVICE_ACCOUNT_KEY", "{\n}")];
    environment(&key).validate(Cloud::Gcs).unwrap();
}

#[test]
fn variables_of_other_clouds_are_not_validated() {
    let variables = [("AWS_SESSION_TOKEN", "a\nb")];
    environment(&variables).validate(Cloud::Gcs).unwrap();
}
