//! What every store must do, run on each that can run here, and what only a bucket does: links, lost answers, faults.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use exports_objects::{ErrorKind, FileHeaders, MAX_PARTS, PART_SIZE, Store, StoreConfig};
use exports_tests::s3::{Fault, Kind, S3Server};
use futures_util::future::try_join_all;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

const KEY: &str = "proj_1/0190a1b2-0000-7000-8000-000000000001/1-token.csv";
const MINUTE: Duration = Duration::from_mins(1);

fn headers() -> FileHeaders {
    FileHeaders::attachment("export-0190a1b2.csv")
}

fn bucket_with(server: &S3Server, prefix: &str, public_endpoint: Option<String>) -> Store {
    let config = StoreConfig {
        url: format!("{}{prefix}", server.url()),
        public_endpoint,
    };
    Store::open_with(&config, server.env()).unwrap()
}

fn bucket(server: &S3Server) -> Store {
    bucket_with(server, "", None)
}

fn directory(root: &Path) -> Store {
    let config = StoreConfig {
        url: format!("file://{}", root.display()),
        public_endpoint: None,
    };
    Store::open_with(&config, []).unwrap()
}

/// Three parts' worth of bytes in which no two places look alike.
fn content(length: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// The file, by the way that a consumer gets it.
async fn download(store: &Store, key: &str) -> Bytes {
    let Some(url) = store.sign(key, MINUTE).await.unwrap() else {
        let mut found = store.local_file(key).await.unwrap();
        let mut bytes = Vec::new();
        found.file.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(found.size, bytes.len() as u64);
        return bytes.into();
    };
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/csv; charset=utf-8");
    let disposition = &answer.headers()[CONTENT_DISPOSITION];
    assert_eq!(disposition, "attachment; filename=\"export-0190a1b2.csv\"");
    answer.bytes().await.unwrap()
}

/// Uploads `parts` at once and in parts.
async fn upload(store: &Store, key: &str, parts: impl IntoIterator<Item = Bytes>) {
    let mut upload = store.begin_upload(key, &headers()).await.unwrap();
    let sent: Vec<_> = parts
        .into_iter()
        .map(|part| upload.put_part(part))
        .collect();
    // The last first: the order of the calls counts, not that of the work.
    try_join_all(sent.into_iter().rev()).await.unwrap();
    upload.complete().await.unwrap();
}

/// The suite. `left` lists everything that lies in the store, hidden remains included.
async fn every_store_must_pass(store: &Store, left: impl Fn() -> Vec<String>) {
    store.check().await.unwrap();
    assert_eq!(left(), [""; 0], "a check leaves nothing");
    one_request(store, &left).await;
    in_parts(store, &left).await;
    aborted(store, &left).await;
    completed_and_then_aborted(store, &left).await;
    malformed(store).await;
    assert_eq!(left(), [""; 0]);
}

async fn one_request(store: &Store, left: &impl Fn() -> Vec<String>) {
    assert_eq!(store.size(KEY).await.unwrap(), None);
    for file in [
        Bytes::new(),
        Bytes::from_static(b"message_id\r\n"),
        content(1_000_000),
    ] {
        store.put(KEY, file.clone(), &headers()).await.unwrap();
        assert_eq!(store.size(KEY).await.unwrap(), Some(file.len() as u64));
        assert_eq!(download(store, KEY).await, file);
        store.delete(KEY).await.unwrap();
        assert_eq!(store.size(KEY).await.unwrap(), None);
        assert_eq!(left(), [""; 0]);
        store.delete(KEY).await.unwrap();
    }
}

async fn in_parts(store: &Store, left: &impl Fn() -> Vec<String>) {
    let file = content(2 * PART_SIZE + 1000);
    let parts = [
        file.slice(..PART_SIZE),
        file.slice(PART_SIZE..2 * PART_SIZE),
        file.slice(2 * PART_SIZE..),
    ];
    upload(store, KEY, parts).await;
    assert_eq!(store.size(KEY).await.unwrap(), Some(file.len() as u64));
    assert!(download(store, KEY).await == file, "the file differs");
    store.delete(KEY).await.unwrap();
    assert_eq!(left(), [""; 0]);
}

async fn aborted(store: &Store, left: &impl Fn() -> Vec<String>) {
    let begun = async || {
        let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
        upload.put_part(content(PART_SIZE)).await.unwrap();
        assert_ne!(left(), [""; 0], "there is something to abort");
        assert_eq!(
            store.size(KEY).await.unwrap(),
            None,
            "a file appears when it is complete"
        );
        upload
    };
    begun().await.abort().await.unwrap();
    assert_eq!(left(), [""; 0], "aborted by its owner");

    // As the janitor does it, from what was recorded, while the owner still holds the upload; and once more.
    let mut upload = begun().await;
    let id = upload.id().map(str::to_owned);
    store.abort_upload(KEY, id.as_deref()).await.unwrap();
    store.abort_upload(KEY, id.as_deref()).await.unwrap();
    assert_eq!(left(), [""; 0], "aborted by another");
    let error = upload
        .complete()
        .await
        .expect_err("an aborted upload cannot be completed");
    assert!(error.is_transient(), "{error}");
    upload.abort().await.unwrap();
    assert_eq!(left(), [""; 0]);

    let mut upload = begun().await;
    drop(upload.put_part(content(PART_SIZE)));
    let error = upload.complete().await.expect_err("a part was never sent");
    upload.abort().await.unwrap();
    assert_eq!(left(), [""; 0], "{error}");
}

async fn completed_and_then_aborted(store: &Store, left: &impl Fn() -> Vec<String>) {
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(content(1000)).await.unwrap();
    upload.complete().await.unwrap();
    upload.complete().await.unwrap();
    let id = upload.id().map(str::to_owned);
    upload.abort().await.unwrap();
    store.abort_upload(KEY, id.as_deref()).await.unwrap();
    assert_eq!(
        download(store, KEY).await,
        content(1000),
        "a finished file stays"
    );
    store.delete(KEY).await.unwrap();
    assert_eq!(left(), [""; 0]);
}

async fn malformed(store: &Store) {
    for key in ["", "../x", "a//b", "/a"] {
        let error = store.put(key, Bytes::new(), &headers()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{key:?}: {error}");
    }
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    for _ in 0..MAX_PARTS {
        drop(upload.put_part(Bytes::new()));
    }
    let error = upload.put_part(Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    upload.abort().await.unwrap();
}

#[tokio::test]
async fn a_directory_passes_the_suite() {
    let root = TempDir::new().unwrap();
    let list = || {
        let entries = std::fs::read_dir(root.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    every_store_must_pass(&directory(root.path()), list).await;
}

#[tokio::test]
async fn a_bucket_passes_the_suite() {
    let server = S3Server::start();
    every_store_must_pass(&bucket(&server), || server.objects()).await;
}

#[tokio::test]
async fn a_bucket_with_a_prefix_passes_the_suite() {
    let server = S3Server::start();
    let store = bucket_with(&server, "/some/prefix/", None);
    every_store_must_pass(&store, || server.objects()).await;
    store
        .put(KEY, Bytes::from_static(b"x"), &headers())
        .await
        .unwrap();
    assert_eq!(server.objects(), [format!("some/prefix/{KEY}")]);
}

#[tokio::test]
async fn a_link_is_signed_for_the_address_that_consumers_see() {
    let server = S3Server::start();
    let public = format!("http://localhost:{}", server.port());
    let store = bucket_with(&server, "/p", Some(public.clone()));
    store
        .put(KEY, Bytes::from_static(b"a\r\n"), &headers())
        .await
        .unwrap();
    let url = store.sign(KEY, MINUTE).await.unwrap().unwrap();
    assert!(
        url.as_str()
            .starts_with(&format!("{public}/exports/p/proj_1/")),
        "{url}"
    );
    assert_eq!(download(&store, KEY).await, "a\r\n");

    // The host is part of what is signed: the same link under our own address is refused.
    let ours = url.as_str().replacen("localhost", "127.0.0.1", 1);
    assert_eq!(reqwest::get(ours).await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_link_serves_one_object_for_its_time() {
    let server = S3Server::start();
    let store = bucket(&server);
    for key in [KEY, "proj_2/other/1-token.csv"] {
        store
            .put(key, Bytes::from_static(b"a\r\n"), &headers())
            .await
            .unwrap();
    }
    let url = store.sign(KEY, MINUTE).await.unwrap().unwrap();
    let (signed, signature) = url.as_str().split_at(url.as_str().len() - 1);
    let other_digit = if signature == "0" { "1" } else { "0" };
    for forged in [
        url.as_str().replacen(KEY, "proj_2/other/1-token.csv", 1),
        url.as_str()
            .replacen("X-Amz-Expires=60", "X-Amz-Expires=61", 1),
        format!("{signed}{other_digit}"),
    ] {
        assert_ne!(forged, url.as_str());
        let status = reqwest::get(&forged).await.unwrap().status();
        assert_eq!(status, 403, "{forged}");
    }
    let range = reqwest::Client::new()
        .get(url.clone())
        .header("Range", "bytes=1-1");
    let range = range.send().await.unwrap();
    assert_eq!(
        (
            range.status().as_u16(),
            range.text().await.unwrap().as_str()
        ),
        (206, "\r")
    );

    let brief = store
        .sign(KEY, Duration::from_secs(1))
        .await
        .unwrap()
        .unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(reqwest::get(brief).await.unwrap().status(), 403, "expired");
    assert_eq!(reqwest::get(url.clone()).await.unwrap().status(), 200);
    store.delete(KEY).await.unwrap();
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_lost_answer_to_complete_is_settled_by_size() {
    let server = S3Server::start();
    let store = bucket(&server);
    let lost = server.inject(|seen| seen.kind == Kind::CompleteUpload, Fault::LoseAnswer);
    let file = content(PART_SIZE + 1);
    upload(
        &store,
        KEY,
        [file.slice(..PART_SIZE), file.slice(PART_SIZE..)],
    )
    .await;
    assert!(lost.hits() >= 2, "it was asked again");
    assert!(download(&store, KEY).await == file, "the file differs");
}

#[tokio::test]
async fn a_file_of_another_size_settles_nothing() {
    let server = S3Server::start();
    let store = bucket(&server);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(content(1000)).await.unwrap();
    store.abort_upload(KEY, upload.id()).await.unwrap();
    store.put(KEY, content(999), &headers()).await.unwrap();
    let error = upload.complete().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_short_outage_is_ridden_out() {
    let server = S3Server::start();
    let store = bucket(&server);
    let twice = std::sync::atomic::AtomicUsize::new(0);
    let busy = server.inject(
        move |seen| {
            seen.kind == Kind::Put && twice.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2
        },
        Fault::Answer(503),
    );
    store
        .put(KEY, Bytes::from_static(b"x"), &headers())
        .await
        .unwrap();
    assert_eq!(busy.hits(), 2);
    assert_eq!(server.count(Kind::Put), 3);
}

#[tokio::test]
async fn a_held_request_goes_on_when_it_is_released() {
    let server = S3Server::start();
    let store = bucket(&server);
    let held = server.inject(
        |seen| seen.kind == Kind::Put && seen.key == KEY,
        Fault::Hold,
    );
    let put = tokio::spawn({
        let store = store.clone();
        async move { store.put(KEY, Bytes::from_static(b"x"), &headers()).await }
    });
    held.reached(1).await;
    assert_eq!(server.objects(), [""; 0]);
    drop(held);
    put.await.unwrap().unwrap();
    assert_eq!(server.objects(), [KEY]);
}

#[tokio::test]
async fn refusals_and_outages_are_told_apart() {
    let server = S3Server::start();
    let store = bucket(&server);
    let refusing = server.inject(|_| true, Fault::Answer(403));
    let error = store.put(KEY, Bytes::new(), &headers()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    drop(refusing);

    let busy = server.inject(|_| true, Fault::Answer(503));
    let error = store.delete(KEY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("503 Service Unavailable"),
        "{error}"
    );
    assert!(busy.hits() > 1, "it was tried again");
}

/// The one line that an operator gets, and that it comes soon.
async fn complaint(store: &Store) -> (ErrorKind, String) {
    let check = tokio::time::timeout(Duration::from_secs(11), store.check());
    let error = check.await.expect("a check is bounded").unwrap_err();
    let mut whole = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        whole.push_str(&inner.to_string());
        source = inner.source();
    }
    assert!(!whole.contains("secret"), "{whole}");
    assert!(!error.to_string().contains('\n'), "{error}");
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn a_check_says_what_is_wrong() {
    let server = S3Server::start();
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

    let (kind, line) = complaint(&with("s3://missing", &[])).await;
    assert_eq!(
        (kind, line.as_str()),
        (
            ErrorKind::Unavailable,
            "cannot use the object store: the bucket does not exist"
        )
    );

    let (kind, line) = complaint(&with(
        &bucket,
        &[("AWS_SECRET_ACCESS_KEY", "another-secret")],
    ))
    .await;
    assert_eq!(kind, ErrorKind::Refused, "{line}");
    assert!(
        line.contains("refuses the credentials (SignatureDoesNotMatch"),
        "{line}"
    );

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (kind, line) = complaint(&with(
        &bucket,
        &[("AWS_ENDPOINT_URL", &format!("http://{closed}"))],
    ))
    .await;
    assert_eq!(kind, ErrorKind::Unavailable, "{line}");
    assert!(
        line.contains(&format!("cannot connect to {closed}: Connection refused")),
        "{line}"
    );

    let nowhere = with(
        &bucket,
        &[("AWS_ENDPOINT_URL", "http://no-such-host.invalid:9000")],
    );
    let (kind, line) = complaint(&nowhere).await;
    assert_eq!(kind, ErrorKind::Unavailable, "{line}");
    assert!(
        line.contains("cannot connect to no-such-host.invalid:9000: "),
        "{line}"
    );

    let slow = server.inject(|_| true, Fault::Hold);
    let (kind, line) = complaint(&with(&bucket, &[])).await;
    assert_eq!(kind, ErrorKind::Unavailable, "{line}");
    assert!(line.contains("no answer from 127.0.0.1"), "{line}");
    drop(slow);
}

#[test]
fn the_server_runs_without_a_runtime_and_stops_with_its_owner() {
    let server = S3Server::start();
    let address = server.endpoint();
    let run = |work: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        tokio::runtime::Runtime::new().unwrap().block_on(work);
    };
    let store = bucket(&server);
    run(Box::pin(async move {
        store.check().await.unwrap();
    }));
    drop(server);
    run(Box::pin(async move {
        assert!(reqwest::get(address).await.is_err());
    }));
}
