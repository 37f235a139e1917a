//! The suite that every store must pass.

use std::path::Path;

use bytes::Bytes;
use exports_objects::{ErrorKind, PART_SIZE, Store, StoreConfig};
use exports_tests::s3::S3Server;
use futures_util::{StreamExt, TryStreamExt};
use tempfile::TempDir;

use crate::{KEY, MINUTE, bucket, bucket_set, bucket_with, content, download, headers, upload};

on_each_server!(
    a_bucket_that_stores_checksums_passes_the_suite,
    a_bucket_with_signed_bodies_passes_the_suite,
    a_bucket_passes_the_suite,
    a_bucket_with_a_prefix_passes_the_suite,
    a_missing_bucket_is_no_missing_file,
);

/// The suite. `left` lists everything in the store, including data of unfinished uploads.
async fn every_store_must_pass(store: &Store, left: impl Fn() -> Vec<String>) {
    store.check().await.unwrap();
    assert_eq!(left(), [""; 0], "a check stores nothing");
    one_request(store, &left).await;
    in_parts(store, &left).await;
    aborted(store, &left).await;
    completed_and_then_aborted(store, &left).await;
    listed(store, &left).await;
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
        assert_ne!(left(), [""; 0], "the unfinished upload has stored data");
        assert_eq!(
            store.size(KEY).await.unwrap(),
            None,
            "an unfinished file is not visible"
        );
        upload
    };
    begun().await.abort().await.unwrap();
    assert_eq!(left(), [""; 0], "the owner has aborted the upload");

    // As the janitor does: by the recorded id, while the owner still holds the upload, and twice.
    let mut upload = begun().await;
    let id = upload.id().map(str::to_owned);
    store.abort_upload(KEY, id.as_deref()).await.unwrap();
    store.abort_upload(KEY, id.as_deref()).await.unwrap();
    assert_eq!(left(), [""; 0], "another process has aborted the upload");
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
        "an abort does not delete a completed file"
    );
    store.delete(KEY).await.unwrap();
    assert_eq!(left(), [""; 0]);
}

/// More objects than one page of a listing has, for every store.
async fn listed(store: &Store, left: &impl Fn() -> Vec<String>) {
    const COUNT: usize = 1_003;
    let list = async || {
        let found: Vec<_> = store.list().try_collect().await.unwrap();
        let mut found: Vec<_> = found
            .into_iter()
            .map(|found| {
                let age = found.modified.elapsed().unwrap_or_default();
                assert!(age < MINUTE, "{found:?}");
                (found.key, found.size)
            })
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(list().await, []);
    assert!(store.is_missing(KEY).await.unwrap());
    let key = |number: usize| format!("proj_{}/{number:04}/1-a.csv", number % 3);
    let put = |number| async move {
        let file = content(number % 7);
        store.put(&key(number), file, &headers()).await.unwrap();
    };
    let all = futures_util::stream::iter(0..COUNT).map(put);
    all.buffer_unordered(16).collect::<Vec<()>>().await;
    let mut expected: Vec<_> = (0..COUNT)
        .map(|number| (key(number), number as u64 % 7))
        .collect();
    expected.sort_unstable();
    assert!(list().await == expected, "the listing differs");
    assert!(!store.is_missing(&key(1)).await.unwrap());
    let delete = |number| async move { store.delete(&key(number)).await.unwrap() };
    let all = futures_util::stream::iter(0..COUNT).map(delete);
    all.buffer_unordered(16).collect::<Vec<()>>().await;
    assert_eq!(list().await, []);
    assert_eq!(left(), [""; 0]);
}

async fn malformed(store: &Store) {
    for key in ["", "../x", "a//b", "/a"] {
        let error = store.put(key, Bytes::new(), &headers()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{key:?}: {error}");
    }
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    // A directory takes any number.
    if let Some(parts) = store.part_limits().parts {
        for _ in 0..parts {
            drop(upload.put_part(Bytes::new()));
        }
        let error = upload.put_part(Bytes::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    upload.abort().await.unwrap();
}

fn directory(root: &Path) -> Store {
    let config = StoreConfig {
        url: format!("file://{}", root.display()),
        public_endpoint: None,
    };
    Store::open_with(&config, []).unwrap()
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

async fn a_bucket_passes_the_suite(server: S3Server) {
    every_store_must_pass(&bucket(&server), || server.objects()).await;
}

async fn a_bucket_with_a_prefix_passes_the_suite(server: S3Server) {
    let store = bucket_with(&server, "/some/prefix/", None);
    every_store_must_pass(&store, || server.objects()).await;
    store
        .put(KEY, Bytes::from_static(b"x"), &headers())
        .await
        .unwrap();
    assert_eq!(server.objects(), [format!("some/prefix/{KEY}")]);
}

/// `AWS_CHECKSUM_ALGORITHM` is the client's own variable, for buckets whose policy demands stored checksums.
async fn a_bucket_that_stores_checksums_passes_the_suite(server: S3Server) {
    let store = bucket_set(&server, &[("AWS_CHECKSUM_ALGORITHM", "sha256")]);
    every_store_must_pass(&store, || server.objects()).await;
}

/// As for an unencrypted connection over a network.
async fn a_bucket_with_signed_bodies_passes_the_suite(server: S3Server) {
    let store = bucket_set(&server, &[("AWS_UNSIGNED_PAYLOAD", "false")]);
    every_store_must_pass(&store, || server.objects()).await;
}

#[tokio::test]
async fn staging_files_are_listed_and_a_missing_directory_is_an_error() {
    let root = TempDir::new().unwrap();
    let store = directory(root.path());
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(content(1000)).await.unwrap();
    let found: Vec<_> = store.list().try_collect().await.unwrap();
    let keys: Vec<_> = found.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0].starts_with(&format!("{KEY}#")), "{keys:?}");
    drop(upload);

    root.close().unwrap();
    let listed: Result<Vec<_>, _> = store.list().try_collect().await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Unavailable);
    let missing = store.is_missing(KEY).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unavailable);
}

async fn a_missing_bucket_is_no_missing_file(server: S3Server) {
    let config = StoreConfig {
        url: "s3://no-such-bucket".to_owned(),
        public_endpoint: None,
    };
    let store = Store::open_with(&config, server.env()).unwrap();
    assert!(store.is_missing(KEY).await.is_err());
    let listed: Result<Vec<_>, _> = store.list().try_collect().await;
    assert!(listed.is_err());
}
