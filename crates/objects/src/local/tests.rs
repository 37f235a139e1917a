//! Tests of a directory as a store, through the methods of `Store`.

mod uploads;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tempfile::TempDir;

use super::upload::MAX_RACES;
use crate::{ErrorKind, FileHeaders, Store, StoreConfig, StoreError};

/// Stops the thread that removes directories.
const DONE: usize = usize::MAX;

const KEY: &str = "proj_1/0190a1b2-0000-7000-8000-000000000001/1-token.csv";

fn open(root: &TempDir) -> Store {
    let config = StoreConfig {
        url: format!("file://{}/files", root.path().display()),
        public_endpoint: None,
    };
    Store::open_with(&config, []).unwrap()
}

fn headers() -> FileHeaders {
    FileHeaders::attachment("export-1.csv", "text/csv; charset=utf-8")
}

/// The names of all files and directories below the store's directory, sorted.
fn left(root: &TempDir) -> Vec<String> {
    fn walk(directory: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                walk(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root.path().join("files"), &mut found);
    found.sort();
    found
}

async fn content(store: &Store, key: &str) -> Vec<u8> {
    let opened = store.read(key, None).await.unwrap();
    let bytes: Vec<_> = opened.bytes.try_collect().await.unwrap();
    let bytes = bytes.concat();
    assert_eq!(opened.size, bytes.len() as u64);
    bytes
}

#[tokio::test]
async fn a_stored_file_can_be_read_and_its_deletion_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    store.check().await.unwrap();
    assert_eq!(left(&root), [""; 0], "the check leaves nothing");
    assert_eq!(store.size(KEY).await.unwrap(), None);
    store
        .put(KEY, Bytes::from_static(b"a,b\r\n"), &headers())
        .await
        .unwrap();
    assert_eq!(store.size(KEY).await.unwrap(), Some(5));
    assert_eq!(content(&store, KEY).await, b"a,b\r\n");
    assert_eq!(store.sign(KEY, Duration::from_mins(1)).await.unwrap(), None);
    store.delete(KEY).await.unwrap();
    assert_eq!(left(&root), [""; 0]);
    store.delete(KEY).await.unwrap();
}

#[tokio::test]
async fn deleting_a_file_keeps_other_files() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    for key in ["p/e/1-a.csv", "p/e/2-b.csv", "p/f/1-c.csv"] {
        store
            .put(key, Bytes::from_static(b"x"), &headers())
            .await
            .unwrap();
    }
    store.delete("p/e/1-a.csv").await.unwrap();
    assert_eq!(left(&root), ["1-c.csv", "2-b.csv", "e", "f", "p"]);
    store.delete("p/e/2-b.csv").await.unwrap();
    assert_eq!(left(&root), ["1-c.csv", "f", "p"]);
}

#[tokio::test]
async fn a_key_cannot_escape_the_directory() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    std::fs::write(root.path().join("outside.csv"), "secret").unwrap();
    for key in [
        "",
        "/",
        "..",
        "../outside.csv",
        "p/../../outside.csv",
        "/p/e",
        "p//e",
        "p/e/",
        "p/./e",
        "p/e\0",
        "p/e#1",
    ] {
        for error in [
            store.put(key, Bytes::new(), &headers()).await.unwrap_err(),
            store.begin_upload(key, &headers()).await.unwrap_err(),
            store.read(key, None).await.err().unwrap(),
            store.size(key).await.unwrap_err(),
            store.delete(key).await.unwrap_err(),
            store.abort_upload(key, None).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{key:?}: {error}");
            assert!(!error.is_transient());
        }
    }
    assert!(root.path().join("outside.csv").exists());
    // A name that only resembles an escape is valid.
    store
        .put("p/%2e%2e/..e", Bytes::from_static(b"x"), &headers())
        .await
        .unwrap();
    assert_eq!(left(&root), ["%2e%2e", "..e", "p"]);
}

#[tokio::test]
async fn missing_files_and_directories_are_not_found() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    store
        .put("p/e/f", Bytes::from_static(b"x"), &headers())
        .await
        .unwrap();
    for key in ["p/e/g", "p/e", "q/e/f"] {
        assert_eq!(
            store.read(key, None).await.err().unwrap().kind(),
            ErrorKind::NotFound,
            "{key}"
        );
        assert_eq!(store.size(key).await.unwrap(), None, "{key}");
    }
}

#[tokio::test]
async fn writes_succeed_while_another_thread_removes_empty_directories() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    // The number of directories that the other thread may still remove. It is lower than the writer's number
    // of attempts, so that the test does not depend on the speed of the disk.
    let allowance = Arc::new(AtomicUsize::new(0));
    let neighbour = std::thread::spawn({
        let (directory, allowance) = (root.path().join("files/p/e"), Arc::clone(&allowance));
        move || {
            loop {
                match allowance.load(Ordering::SeqCst) {
                    DONE => break,
                    0 => std::thread::yield_now(),
                    _ => {
                        for path in [&*directory, directory.parent().unwrap()] {
                            if std::fs::remove_dir(path).is_ok() {
                                let _ = allowance.fetch_update(
                                    Ordering::SeqCst,
                                    Ordering::SeqCst,
                                    |left| {
                                        if left == DONE {
                                            None
                                        } else {
                                            left.checked_sub(1)
                                        }
                                    },
                                );
                            }
                        }
                    }
                }
            }
        }
    });
    // Spawned as in a worker, which requires that the futures of an upload can move between threads.
    let writer = tokio::spawn({
        let allowance = Arc::clone(&allowance);
        async move {
            for turn in 0..200 {
                allowance.store(MAX_RACES - 2, Ordering::SeqCst);
                let key = format!("p/e/{turn}.csv");
                store
                    .put(&key, Bytes::from_static(b"x"), &headers())
                    .await?;
                store.delete(&key).await?;
                let mut upload = store.begin_upload(&key, &headers()).await?;
                upload.put_part(Bytes::from_static(b"x")).await?;
                upload.complete().await?;
                store.delete(&key).await?;
                store.begin_upload(&key, &headers()).await?.abort().await?;
            }
            Ok::<(), StoreError>(())
        }
    });
    let written = writer.await.unwrap();
    allowance.store(DONE, Ordering::SeqCst);
    neighbour.join().unwrap();
    written.unwrap();
    assert_eq!(left(&root), [""; 0]);
}

#[tokio::test]
async fn files_and_directories_are_for_their_owner_only() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let whole = "proj_1/0190a1b2-0000-7000-8000-000000000002/1-token.csv";
    store.put(whole, "x".into(), &headers()).await.unwrap();
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(Bytes::from_static(b"x")).await.unwrap();
    upload.complete().await.unwrap();
    let files = root.path().join("files");
    let mode = |path: &std::path::Path| {
        let found = std::fs::metadata(path).unwrap();
        found.permissions().mode() & 0o777
    };
    for key in [KEY, whole] {
        let path = files.join(key);
        assert_eq!(mode(&path), 0o600);
        for directory in path.ancestors().skip(1).take(3) {
            assert_eq!(mode(directory), 0o700, "{}", directory.display());
        }
    }
    assert_eq!(store.mode_for_others(), None);
    // An existing directory keeps its mode.
    std::fs::set_permissions(&files, PermissionsExt::from_mode(0o750)).unwrap();
    let store = open(&root);
    store.put(whole, "y".into(), &headers()).await.unwrap();
    assert_eq!(store.mode_for_others(), Some(0o750));
}

#[tokio::test]
async fn a_check_leaves_nothing_and_removes_old_probes_of_ended_processes() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let files = root.path().join("files");
    for name in [".writable-1", ".writable-2", "writable-3"] {
        std::fs::write(files.join(name), "probe").unwrap();
    }
    let old = std::time::SystemTime::now() - Duration::from_hours(1);
    for name in [".writable-1", "writable-3"] {
        let file = std::fs::File::options().write(true).open(files.join(name));
        file.unwrap().set_modified(old).unwrap();
    }
    store.check().await.unwrap();
    // The second one may belong to a check that is running.
    assert_eq!(left(&root), [".writable-2", "writable-3"]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_created_is_an_error() {
    let root = TempDir::new().unwrap();
    std::fs::write(root.path().join("file"), "x").unwrap();
    let config = |url: String| StoreConfig {
        url,
        public_endpoint: None,
    };
    let refused = Store::open_with(
        &config(format!("file://{}/file/sub", root.path().display())),
        [],
    )
    .unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("cannot be created: a part of the path is a file"),
        "{refused}"
    );
    let with_address = StoreConfig {
        public_endpoint: Some("https://files.example.com".into()),
        ..config(format!("file://{}/files", root.path().display()))
    };
    assert!(Store::open_with(&with_address, []).is_err());
}
