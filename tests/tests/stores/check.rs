//! The error message when a bucket is unusable.

use std::time::Duration;

use exports_objects::{ErrorKind, Store, StoreConfig};
use exports_tests::s3::{Fault, S3Server};

on_each_server!(a_check_reports_the_cause,);

const WRONG_SECRET: &str = "another-secret";

/// The error line of a check. It must come within 11 seconds, without the secret.
async fn check_error(store: &Store) -> (ErrorKind, String) {
    let check = tokio::time::timeout(Duration::from_secs(11), store.check());
    let error = check.await.expect("a check is bounded").unwrap_err();
    let mut whole = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        whole.push_str(&inner.to_string());
        source = inner.source();
    }
    assert!(!whole.contains(WRONG_SECRET), "{whole}");
    assert!(!error.to_string().contains('\n'), "{error}");
    (error.kind(), error.to_string())
}

async fn a_check_reports_the_cause(server: S3Server) {
    let with = |url: &str, changes: &[(&str, &str)]| {
        let mut env = server.env();
        env.retain(|(name, _)| !changes.iter().any(|(changed, _)| name == changed));
        env.extend(
            changes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let config = StoreConfig {
            url: url.to_owned(),
            public_endpoint: None,
        };
        Store::open_with(&config, env).unwrap()
    };
    let bucket = server.url();

    let (kind, line) = check_error(&with("s3://missing", &[])).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    let missing = "cannot use the object store: the bucket does not exist";
    assert!(line.starts_with(missing), "{line}");

    let (kind, line) =
        check_error(&with(&bucket, &[("AWS_SECRET_ACCESS_KEY", WRONG_SECRET)])).await;
    assert_eq!(kind, ErrorKind::Refused, "{line}");
    let refusal = if server.is_garage() {
        "a wrong secret key can also cause this) (AccessDenied: Forbidden: Invalid signature)"
    } else {
        "rejects the credentials: correct the secret key, which must belong to the access key id (SignatureDoesNotMatch"
    };
    assert!(line.contains(refusal), "{line}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (kind, line) = check_error(&with(
        &bucket,
        &[("AWS_ENDPOINT_URL", &format!("http://{closed}"))],
    ))
    .await;
    assert_eq!(kind, ErrorKind::Unavailable, "{line}");
    assert!(
        line.contains(&format!("cannot connect to {closed}: connection refused")),
        "{line}"
    );

    let nowhere = with(
        &bucket,
        &[("AWS_ENDPOINT_URL", "http://no-such-host.invalid:9000")],
    );
    let (kind, line) = check_error(&nowhere).await;
    assert_eq!(kind, ErrorKind::Unavailable, "{line}");
    assert!(
        line.contains("cannot connect to no-such-host.invalid:9000: "),
        "{line}"
    );

    let slow = server.inject(|_| true, Fault::Hold);
    let (kind, line) = check_error(&with(&bucket, &[])).await;
    assert_eq!(kind, ErrorKind::Unavailable, "{line}");
    assert!(line.contains("no response from 127.0.0.1"), "{line}");
    drop(slow);
}
