//! A directory that disappears, like a volume that is unmounted: it is not created again.

use std::path::Path;

use exports_objects::{ErrorKind, Store, StoreConfig};
use tempfile::TempDir;

use crate::{KEY, content, download, headers};

fn config(directory: &Path) -> StoreConfig {
    StoreConfig {
        url: format!("file://{}", directory.display()),
        public_endpoint: None,
    }
}

#[tokio::test]
async fn a_directory_that_disappears_is_not_created_again() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("files");
    let store = Store::open_with(&config(&directory), []).unwrap();
    assert!(directory.is_dir(), "the directory is created at start");
    store.put(KEY, content(10), &headers()).await.unwrap();
    let mut upload = store.begin_upload("p/e/2-x.csv", &headers()).await.unwrap();

    let away = root.path().join("away");
    std::fs::rename(&directory, &away).unwrap();
    let errors = [
        store.check().await.unwrap_err(),
        store
            .put("p/e/1-x.csv", content(10), &headers())
            .await
            .unwrap_err(),
        store
            .begin_upload("p/e/3-x.csv", &headers())
            .await
            .unwrap_err(),
        store.size(KEY).await.unwrap_err(),
        store.read(KEY, None).await.err().unwrap(),
        store.delete(KEY).await.unwrap_err(),
        store.abort_upload(KEY, None).await.unwrap_err(),
        upload.complete().await.unwrap_err(),
    ];
    let gone = format!(
        "the directory of the store, {}, is missing: mount its volume",
        directory
            .canonicalize()
            .unwrap_or(directory.clone())
            .display()
    );
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(
            error.is_transient() && error.to_string().contains(&gone),
            "{error}"
        );
        assert!(!directory.exists(), "{error}");
    }

    std::fs::rename(&away, &directory).unwrap();
    store.check().await.unwrap();
    assert_eq!(download(&store, KEY).await, content(10));
    upload.complete().await.unwrap();
    store.delete(KEY).await.unwrap();
}

#[tokio::test]
async fn only_a_service_creates_the_directory_and_only_its_last_component() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("volume/files");
    let refused = Store::open_with(&config(&directory), [])
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("create it, or mount its volume"),
        "{refused}"
    );
    assert!(!root.path().join("volume").exists());
    let missing = Store::open_existing(&config(&root.path().join("files")), []).unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("create it, or mount its volume"),
        "{missing}"
    );
    assert!(!root.path().join("files").exists());
}
