//! Start with an unusable database or store.

use exports_tests::{Proxy, StoreKind, TestDatabase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{PROGRAMS, SECRET, complaint, complaint_after_waiting};
use crate::support::{Fixture, on_every_bucket};

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_database_is_reported_with_its_variable() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let nobody = unused_address().await;
    let mute = Proxy::to_postgres(fixture.database().url()).await;
    mute.hold();
    let refusing = refusing_postgres().await;
    let url = |address: &str| format!("postgres://me:{SECRET}@{address}/exports?sslmode=disable");
    let wrong = [
        (url(&refusing), "password authentication failed"),
        (fixture.database().url_of("not_there"), "does not exist"),
    ];
    let away = [
        (url(&nobody), "connection refused"),
        (mute.url(fixture.database().url()), "no answer"),
    ];
    let says = ["DATABASE_URL", "EXPORTS_SOURCE_DATABASE_URL"].map(async |variable| {
        for (url, reason) in &wrong {
            says(&fixture, &[(variable, url)], variable, reason).await;
        }
        for (url, reason) in &away {
            waits(&fixture, &[(variable, url)], variable, reason).await;
        }
    });
    futures_util::future::join_all(says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_the_expected_migrations_is_reported_with_its_variable() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let empty = TestDatabase::empty().await;
    waits(
        &fixture,
        &[("DATABASE_URL", empty.url())],
        "DATABASE_URL",
        "exportctl admin migrate",
    )
    .await;

    let behind = TestDatabase::create().await;
    behind.execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    waits(
        &fixture,
        &[("DATABASE_URL", behind.url())],
        "DATABASE_URL",
        "lacks 1 of",
    )
    .await;

    let foreign = TestDatabase::create().await;
    foreign
        .execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1")
        .await;
    says(
        &fixture,
        &[("DATABASE_URL", foreign.url())],
        "DATABASE_URL",
        "migration 1",
    )
    .await;

    let unfinished = TestDatabase::create().await;
    unfinished
        .execute("UPDATE _sqlx_migrations SET success = false WHERE version = 1")
        .await;
    says(
        &fixture,
        &[("DATABASE_URL", unfinished.url())],
        "DATABASE_URL",
        "migration 1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_bucket_is_reported_with_its_variable() {
    const STORE: &str = "EXPORTS_OBJECT_STORE_URL";
    on_every_bucket(async |fixture| {
        let nobody = format!("http://{}", unused_address().await);
        let mute = Proxy::to(fixture.s3().endpoint().trim_start_matches("http://")).await;
        mute.hold();
        let mute = format!("http://{}", mute.address());
        let waits = [
            (("AWS_ENDPOINT_URL", nobody.as_str()), "cannot connect"),
            (("AWS_ENDPOINT_URL", &mute), "no response"),
            ((STORE, "s3://another-bucket"), "the bucket does not exist"),
        ]
        .map(async |(set, reason)| waits(fixture, &[set], set.0, reason).await);
        futures_util::future::join_all(waits).await;
        let says = [
            (("AWS_ENDPOINT_URL", "nowhere"), "AWS_ENDPOINT_URL"),
            (("AWS_ALLOW_HTTP", "false"), "AWS_ALLOW_HTTP"),
            (("AWS_SECRET_ACCESS_KEY", SECRET), "credentials"),
        ]
        .map(async |(set, reason)| says(fixture, &[set], "AWS_", reason).await);
        futures_util::future::join_all(says).await;
    })
    .await;
}

/// Values from files and secrets often end with a line break.
#[tokio::test(flavor = "multi_thread")]
async fn whitespace_around_a_value_is_removed() {
    on_every_bucket(async |fixture| {
        let counts = |name: &str| {
            name == "DATABASE_URL" || name.starts_with("EXPORTS_") || name.starts_with("AWS_")
        };
        let variables: Vec<_> = fixture
            .environment(&[("EXPORTS_LEASE", "30s"), ("EXPORTS_LOG_FORMAT", "json")])
            .into_iter()
            .filter(|(name, _)| counts(name))
            .map(|(name, value)| (name, format!("\u{feff} {value} \r\n")))
            .collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert!(variables.len() > 5, "{variables:?}");
        let mut worker = fixture.start_worker(&variables);
        worker.wait_for_event("worker started").await;
        fixture.insert_one_message().await;
        let id = fixture.queue_full_export().await;
        fixture.read_file(id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_and_non_ascii_characters_in_cloud_variables_are_rejected_by_name() {
    on_every_bucket(async |fixture| {
        let names = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_REGION",
            "AWS_ENDPOINT_URL",
        ];
        for name in names {
            let reason = "must not contain a line break or another control character";
            says(
                fixture,
                &[(
                    name, "a
b",
                )],
                name,
                reason,
            )
            .await;
        }
        let reason = "must be ASCII";
        says(
            fixture,
            &[("AWS_SESSION_TOKEN", "clé")],
            "AWS_SESSION_TOKEN",
            reason,
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_store_folder_is_reported_with_its_variable() {
    const STORE: &str = "EXPORTS_OBJECT_STORE_URL";
    let fixture = Fixture::without_services(StoreKind::File).await;
    let folder = fixture.store_folder().expect("the store is a folder");
    let file = folder.join("file");
    std::fs::write(&file, "in the way").expect("a file");
    for path in [file.clone(), file.join("below"), "/proc/exports".into()] {
        let url = format!("file://{}", path.display());
        says(&fixture, &[(STORE, &url)], STORE, "directory").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listen_address_in_use_is_reported_with_its_variable() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let taken = taken
        .local_addr()
        .map(|address| (address.to_string(), taken));
    let (address, _listener) = taken.expect("its address");
    let [worker, api] = PROGRAMS;
    for ((program, needed), variable) in [
        (worker, "EXPORTS_HEALTH_LISTEN"),
        (api, "EXPORTS_LISTEN"),
        (api, "EXPORTS_METRICS_LISTEN"),
    ] {
        let set: Vec<_> = needed
            .iter()
            .copied()
            .filter(|(name, _)| *name != variable)
            .collect();
        let set = [&set[..], &[(variable, &*address)]].concat();
        let line = complaint(program, fixture.environment(&set)).await;
        assert!(line.contains(variable) && line.contains("in use"), "{line}");
    }
}

/// Fails unless each program, with these variables, reports the variable and the reason.
async fn says(fixture: &Fixture, set: &[(&str, &str)], variable: &str, reason: &str) {
    let programs = PROGRAMS.map(async |(program, needed)| {
        let line = complaint(program, fixture.environment(&[needed, set].concat())).await;
        assert!(line.contains(variable), "{program}, {set:?}: {line}");
        assert!(line.contains(reason), "{program}, {set:?}: {line}");
    });
    futures_util::future::join_all(programs).await;
}

/// Fails unless each program, with these variables, waits and then reports the variable and the reason.
async fn waits(fixture: &Fixture, set: &[(&str, &str)], variable: &str, reason: &str) {
    let programs = PROGRAMS.map(async |(program, needed)| {
        let environment = fixture.environment(&[needed, set].concat());
        let line = complaint_after_waiting(program, environment).await;
        assert!(line.contains(variable), "{program}, {set:?}: {line}");
        assert!(line.contains(reason), "{program}, {set:?}: {line}");
    });
    futures_util::future::join_all(programs).await;
}

/// A port that was just closed.
pub(super) async fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let address = listener.expect("a free port").local_addr();
    address.expect("its address").to_string()
}

/// A server that rejects every password with PostgreSQL's error.
async fn refusing_postgres() -> String {
    const REFUSAL: &[u8] =
        b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"me\"\0\0";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut startup = [0; 1024];
            // Ignores the request, and errors of the connection.
            let _ = connection.read(&mut startup).await;
            let length = u32::try_from(REFUSAL.len() + 4).expect("a short message");
            let answer = [b"E", &length.to_be_bytes()[..], REFUSAL].concat();
            let _ = connection.write_all(&answer).await;
        }
    });
    address
}
