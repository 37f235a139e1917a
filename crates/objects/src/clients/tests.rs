//! Tests of the configuration of clients. They open no connections.

use std::time::Duration;

use object_store::aws::AmazonS3ConfigKey as S3Key;
use url::Url;

use super::retry_profile::TRANSFER;
use super::s3::builder;
use crate::env_vars::EnvVars;
use crate::location::Location;
use crate::{OpenError, Store, StoreConfig};

const S3: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "an-id"),
    ("AWS_SECRET_ACCESS_KEY", "hush"),
    ("AWS_REGION", "eu-west-1"),
];

const AZURE: [(&str, &str); 2] = [
    ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "aHVzaA=="),
];

fn open(url: &str, public: Option<&str>, env: &[(&str, &str)]) -> Result<Store, OpenError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = StoreConfig {
        url: url.to_owned(),
        public_endpoint: public.map(str::to_owned),
    };
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Store::open_with(&config, env)
}

async fn link(store: &Store) -> Url {
    let signed = store.sign("p/e/1-t.csv", Duration::from_mins(15)).await;
    signed.unwrap().expect("a store that signs")
}

#[tokio::test]
async fn s3_links_use_the_amazon_the_custom_or_the_public_endpoint() {
    let amazon = link(&open("s3://b/x", None, &S3).unwrap()).await;
    assert_eq!(amazon.host_str(), Some("s3.eu-west-1.amazonaws.com"));
    assert_eq!(amazon.path(), "/b/x/p/e/1-t.csv");
    let query = amazon.query().unwrap();
    assert!(query.contains("X-Amz-Expires=900"), "{query}");

    let own = [
        &S3[..],
        &[
            ("AWS_ENDPOINT_URL", "http://garage:3900/"),
            ("AWS_ALLOW_HTTP", "true"),
        ],
    ]
    .concat();
    let endpoint = link(&open("s3://b", None, &own).unwrap()).await;
    assert!(
        endpoint
            .as_str()
            .starts_with("http://garage:3900/b/p/e/1-t.csv?"),
        "{endpoint}"
    );

    for public in ["https://files.example.com", "https://files.example.com/"] {
        let store = open("s3://b", Some(public), &own).unwrap();
        let public = link(&store).await;
        assert!(
            public
                .as_str()
                .starts_with("https://files.example.com/b/p/e/1-t.csv?"),
            "{public}"
        );
    }
}

#[tokio::test]
async fn azure_links_use_the_public_endpoint() {
    let ours = link(&open("az://box/x", None, &AZURE).unwrap()).await;
    assert_eq!(ours.host_str(), Some("account.blob.core.windows.net"));
    let store = open("az://box/x", Some("http://localhost:8080"), &AZURE).unwrap();
    let public = link(&store).await;
    assert!(
        public
            .as_str()
            .starts_with("http://localhost:8080/box/x/p/e/1-t.csv?"),
        "{public}"
    );
    assert!(public.query().unwrap().contains("sig="), "{public}");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let env = [
        &S3[..],
        &[("AWS_ENDPOINT_URL", ""), ("AWS_SESSION_TOKEN", "")],
    ]
    .concat();
    open("s3://b", None, &env).unwrap();
}

#[test]
fn errors_for_incomplete_or_invalid_variables_hide_their_values() {
    let plain = [&S3[..], &[("AWS_ENDPOINT_URL", "http://garage:3900")]].concat();
    let password = [&S3[..], &[("AWS_ENDPOINT_URL", "https://me:hush@garage")]].concat();
    for (url, env, reason) in [
        (
            "s3://b",
            &S3[..1],
            "AWS_SECRET_ACCESS_KEY must be set with AWS_ACCESS_KEY_ID",
        ),
        (
            "s3://b",
            &S3[1..],
            "AWS_ACCESS_KEY_ID must be set with AWS_SECRET_ACCESS_KEY",
        ),
        ("s3://b", &plain, "AWS_ALLOW_HTTP=true"),
        (
            "s3://b",
            &password,
            "AWS_ENDPOINT_URL must not contain a user name",
        ),
        (
            "az://b",
            &AZURE[1..],
            "AZURE_STORAGE_ACCOUNT_NAME must be set",
        ),
    ] {
        let refused = open(url, None, env).unwrap_err();
        let line = refused.to_string();
        assert!(matches!(refused, OpenError::Variable { .. }), "{line}");
        assert!(line.contains(reason), "{line}");
        assert!(!line.contains("hush") && !line.contains("aHVzaA"), "{line}");
    }
}

#[test]
fn each_request_body_has_one_integrity_protection() {
    let Location::Bucket(bucket) = Location::parse("s3://b").unwrap() else {
        panic!("a bucket");
    };
    let url = |url| ("AWS_ENDPOINT_URL", url);
    let (https, http) = (url("https://garage.example"), url("http://garage:3900"));
    let here = url("http://127.0.0.1:3900");
    let s3_here = ("AWS_ENDPOINT_URL_S3", "http://localhost:3900");
    let (signed, unsigned) = (
        ("AWS_UNSIGNED_PAYLOAD", "false"),
        ("AWS_UNSIGNED_PAYLOAD", "true"),
    );
    let (by_tls, by_signature) = (("true", None), ("false", None));
    let by_checksum = ("true", Some("crc64nvme"));
    for (env, expected) in [
        (vec![], by_tls),
        (vec![https], by_tls),
        (vec![url("https://localhost")], by_tls),
        (vec![https, signed], by_signature),
        (vec![http], by_signature),
        (vec![url("http://10.0.0.1")], by_signature),
        (vec![http, s3_here], by_signature),
        (vec![http, unsigned], ("true", None)),
        (vec![here], by_checksum),
        (vec![url("http://[::1]:3900")], by_checksum),
        (vec![https, s3_here], by_checksum),
        (vec![here, signed], by_signature),
        (vec![here, unsigned], ("true", None)),
        (
            vec![here, ("AWS_CHECKSUM_ALGORITHM", "sha256")],
            ("true", Some("sha256")),
        ),
    ] {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let builder = builder(&bucket, &EnvVars::new(env.iter().map(owned)), &TRANSFER);
        let found =
            [S3Key::UnsignedPayload, S3Key::Checksum].map(|key| builder.get_config_value(&key));
        let (unsigned, checksum) = expected;
        assert_eq!(
            found,
            [Some(unsigned), checksum].map(|value| value.map(String::from)),
            "{env:?}"
        );
    }
}

#[test]
fn google_cloud_storage_does_not_support_a_public_endpoint() {
    let refused = open("gs://b", Some("https://files.example.com"), &[]).unwrap_err();
    assert!(matches!(refused, OpenError::PublicEndpoint(_)), "{refused}");
}

#[test]
fn debug_output_has_the_url_and_no_credentials() {
    let store = open("s3://b/x", None, &S3).unwrap();
    assert_eq!(store.to_string(), "s3://b/x");
    assert_eq!(format!("{store:?}"), "Store(s3://b/x)");
    let config = StoreConfig {
        url: "s3://me:hush@b".into(),
        public_endpoint: None,
    };
    assert_eq!(format!("{config:?}"), "StoreConfig { .. }");
}
