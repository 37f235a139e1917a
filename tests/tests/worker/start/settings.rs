//! Invalid, missing or unknown settings.

use exports_tests::{Process, StoreKind};
use futures_util::StreamExt;

use super::{PROGRAMS, complaint};
use crate::support::{Fixture, on_every_bucket};

/// The number of programs that run at the same time.
const AT_A_TIME: usize = 6;

/// A variable of every program, an invalid value, and a part of the error message.
const OF_BOTH: [(&str, &str, &str); 26] = [
    ("DATABASE_URL", "", "postgres://"),
    (
        "DATABASE_URL",
        "mysql://me:hush-hush-hush@db/exports",
        "postgres://",
    ),
    (
        "DATABASE_URL",
        "postgres://me:hush-hush-hush@db:port/exports",
        "port",
    ),
    (
        "DATABASE_URL",
        "postgres://me:hush-hush-hush@db/exports?sslmode=maybe",
        "sslmode",
    ),
    ("EXPORTS_SOURCE_DATABASE_URL", "nowhere", "postgres://"),
    (
        "EXPORTS_SOURCE_DATABASE_URL",
        "http://me:hush-hush-hush@db/exports",
        "postgres://",
    ),
    ("EXPORTS_OBJECT_STORE_URL", "", "file:///directory"),
    ("EXPORTS_OBJECT_STORE_URL", "exports", "file:///directory"),
    (
        "EXPORTS_OBJECT_STORE_URL",
        "ftp://host/exports",
        "file:///directory",
    ),
    (
        "EXPORTS_OBJECT_STORE_URL",
        "file://relative/exports",
        "absolute path",
    ),
    (
        "EXPORTS_OBJECT_STORE_URL",
        "file:///",
        "root of the file system",
    ),
    ("EXPORTS_OBJECT_STORE_URL", "s3://", "must have a bucket"),
    (
        "EXPORTS_OBJECT_STORE_URL",
        "s3://key:hush-hush-hush@bucket",
        "password",
    ),
    (
        "EXPORTS_OBJECT_STORE_URL",
        "s3://bucket:9000",
        "AWS_ENDPOINT_URL",
    ),
    ("EXPORTS_OBJECT_STORE_URL", "s3://bucket?region=x", "query"),
    (
        "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
        "https://files.example.com",
        "must not be set with a file:// store",
    ),
    (
        "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
        "files.example.com",
        "must be a URL",
    ),
    (
        "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
        "https://me:hush-hush-hush@files.example.com",
        "password",
    ),
    ("EXPORTS_LOG_FORMAT", "xml", "text or json"),
    ("EXPORTS_LOG_FORMAT", "", "text or json"),
    ("RUST_LOG", "exports=loud", "must be levels"),
    (
        "EXPORTS_STARTUP_TIMEOUT",
        "soon",
        "a time with a unit such as",
    ),
    ("EXPORTS_STARTUP_TIMEOUT", "0s", "one second or more"),
    ("EXPORTS_LEESE", "30s", "is not a setting"),
    ("EXPORTS_", "x", "is not a setting"),
    ("EXPORTS_lease", "30s", "is not a setting"),
];

const OF_THE_WORKER: [(&str, &str, &str); 26] = [
    ("EXPORTS_LEASE", "", "a time with a unit such as"),
    ("EXPORTS_LEASE", "30", "a time with a unit such as"),
    ("EXPORTS_LEASE", "soon", "a time with a unit such as"),
    ("EXPORTS_LEASE", "-1s", "a time with a unit such as"),
    ("EXPORTS_LEASE", "0s", "one second or more"),
    ("EXPORTS_LEASE", "999ms", "one second or more"),
    ("EXPORTS_FILE_TTL", "a week", "a time with a unit such as"),
    ("EXPORTS_FILE_TTL", "0s", "one second or more"),
    ("EXPORTS_FILE_TTL", "200years", "a hundred years or less"),
    ("EXPORTS_MAX_DURATION", "long", "a time with a unit such as"),
    ("EXPORTS_MAX_DURATION", "1ms", "one second or more"),
    (
        "EXPORTS_SHUTDOWN_GRACE",
        "none",
        "a time with a unit such as",
    ),
    ("EXPORTS_SHUTDOWN_GRACE", "0s", "one second or more"),
    ("EXPORTS_MAX_ATTEMPTS", "", "1 to 1000"),
    ("EXPORTS_MAX_ATTEMPTS", "many", "1 to 1000"),
    ("EXPORTS_MAX_ATTEMPTS", "0", "1 to 1000"),
    ("EXPORTS_MAX_ATTEMPTS", "1001", "1 to 1000"),
    ("EXPORTS_MAX_ATTEMPTS", "-1", "1 to 1000"),
    ("EXPORTS_CONCURRENCY", "two", "1 to 256"),
    ("EXPORTS_CONCURRENCY", "0", "1 to 256"),
    ("EXPORTS_CONCURRENCY", "257", "1 to 256"),
    ("EXPORTS_CONCURRENCY", "1.5", "1 to 256"),
    ("EXPORTS_HEALTH_LISTEN", "", "address"),
    ("EXPORTS_HEALTH_LISTEN", "8081", "address"),
    ("EXPORTS_HEALTH_LISTEN", "localhost:8081", "address"),
    ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:99999", "address"),
];

const OF_THE_API: [(&str, &str, &str); 11] = [
    ("EXPORTS_LISTEN", "", "address"),
    ("EXPORTS_LISTEN", "8080", "address"),
    ("EXPORTS_LISTEN", "nowhere:8080", "address"),
    ("EXPORTS_METRICS_LISTEN", "", "address"),
    ("EXPORTS_METRICS_LISTEN", "9090", "address"),
    ("EXPORTS_PUBLIC_URL", "", "http:// or https://"),
    (
        "EXPORTS_PUBLIC_URL",
        "exports.example.com",
        "http:// or https://",
    ),
    (
        "EXPORTS_PUBLIC_URL",
        "ftp://exports.example.com",
        "http:// or https://",
    ),
    (
        "EXPORTS_PUBLIC_URL",
        "https://me:hush-hush-hush@example.com",
        "http:// or https://",
    ),
    ("EXPORTS_SIGNING_KEY", "", "32 bytes or more"),
    ("EXPORTS_SIGNING_KEY", "hush-hush-hush", "32 bytes or more"),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_value_is_reported_in_one_line_with_its_variable() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let of_each = [&OF_THE_WORKER[..], &OF_THE_API[..]];
    let cases = PROGRAMS
        .into_iter()
        .zip(of_each)
        .flat_map(|((program, needed), own)| {
            OF_BOTH
                .iter()
                .chain(own)
                .map(move |case| (program, needed, case))
        });
    let complaints = cases.map(async |(program, needed, (variable, value, reason))| {
        let set = [needed, &[(*variable, *value)]].concat();
        let line = complaint(program, fixture.environment(&set)).await;
        assert!(
            line.contains(variable),
            "{program}, {variable}={value}: {line}"
        );
        assert!(
            line.contains(reason),
            "{program}, {variable}={value}: {line}"
        );
    });
    let complaints = futures_util::stream::iter(complaints).buffer_unordered(AT_A_TIME);
    assert_eq!(
        complaints.count().await,
        2 * OF_BOTH.len() + OF_THE_WORKER.len() + OF_THE_API.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_variables_are_reported_by_name() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    for (program, needed) in PROGRAMS {
        let without = |unset: &[&str]| {
            let mut environment = fixture.environment(needed);
            environment.retain(|(name, _)| !unset.contains(&name.as_str()));
            complaint(program, environment)
        };
        assert_eq!(
            without(&["DATABASE_URL"]).await,
            "error: DATABASE_URL must be set"
        );
        assert_eq!(
            without(&["EXPORTS_OBJECT_STORE_URL"]).await,
            "error: EXPORTS_OBJECT_STORE_URL must be set"
        );
        assert_eq!(
            without(&["DATABASE_URL", "EXPORTS_OBJECT_STORE_URL"]).await,
            "error: DATABASE_URL and EXPORTS_OBJECT_STORE_URL must be set"
        );
        if program == "exports-api" {
            let line = without(&["EXPORTS_SIGNING_KEY"]).await;
            assert!(line.contains("EXPORTS_SIGNING_KEY"), "{line}");
        }
    }
}

/// Secrets of a cluster are often files, and files often end with a line break.
#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_a_store_may_come_from_files() {
    let fixture = Fixture::without_services(StoreKind::S3).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut environment = fixture.environment(&[("EXPORTS_LOG_FORMAT", "json")]);
    for (name, value) in &mut environment {
        if ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL"].contains(&name.as_str()) {
            let path = folder.path().join(&*name);
            std::fs::write(&path, format!("{value}\n")).expect("a new file");
            name.push_str("_FILE");
            *value = path.display().to_string();
        }
    }
    let files = environment
        .iter()
        .filter(|(name, _)| name.ends_with("_FILE"));
    assert_eq!(files.count(), 3);
    let mut worker = Process::start("exports-worker", &[], environment);
    worker.wait_for_event("worker started").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ignores_variables_of_the_api() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let mut worker = fixture.start_worker(&[
        ("EXPORTS_LISTEN", "nowhere"),
        ("EXPORTS_METRICS_LISTEN", "nowhere"),
        ("EXPORTS_PUBLIC_URL", "ftp://"),
        ("EXPORTS_SIGNING_KEY", "short"),
    ]);
    worker.wait_for_event("worker started").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_log_contains_no_secrets() {
    on_every_bucket(async |fixture| {
        let mut worker =
            fixture.start_worker(&[("RUST_LOG", "trace"), ("EXPORTS_LOG_FORMAT", "text")]);
        fixture.insert_one_message().await;
        let id = fixture.queue_full_export().await;
        fixture.read_file(id).await;
        worker.terminate();
        // The drop of the worker searches its log for the secrets in its environment.
        assert_eq!(worker.wait().await.code(), Some(0));
        assert!(worker.log().contains("TRACE"));
    })
    .await;
}
