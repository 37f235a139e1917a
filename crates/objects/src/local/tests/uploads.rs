//! Tests of uploads: complete, aborted, and left behind by processes that ended.

use super::*;

#[tokio::test]
async fn parts_are_stored_in_the_order_of_their_calls() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    assert_eq!(upload.id(), None);
    let parts =
        ["one,", "two,", "three"].map(|part| upload.put_part(Bytes::from_static(part.as_bytes())));
    for part in parts.into_iter().rev() {
        part.await.unwrap();
    }
    assert_eq!(
        store.size(KEY).await.unwrap(),
        None,
        "the file does not exist before completion"
    );
    upload.complete().await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(content(&store, KEY).await, b"one,two,three");
    assert_eq!(left(&root).len(), 3, "the file and its two directories");
}

/// Whole blocks and incomplete blocks are written in different ways.
#[tokio::test]
async fn parts_of_any_length_are_stored_unchanged() {
    const MIB: usize = 1024 * 1024;
    let root = TempDir::new().unwrap();
    let store = open(&root);
    for lengths in [
        vec![8 * MIB, 8 * MIB, 3 * MIB + 4097],
        vec![8 * MIB, 1],
        vec![4096, 4095, 8192, 5000, 4096],
        vec![0, 2 * MIB - 1],
    ] {
        let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
        let mut expected = Vec::new();
        let mut sent = Vec::new();
        for length in lengths {
            let from = expected.len();
            // Content that differs between blocks and between positions, so that misplaced bytes are detected.
            expected.extend(
                (from..from + length).map(|at| (at / 4096 * 31 + at % 251).to_le_bytes()[0]),
            );
            sent.push(upload.put_part(Bytes::copy_from_slice(&expected[from..])));
        }
        for sent in futures_util::future::join_all(sent).await {
            sent.unwrap();
        }
        upload.complete().await.unwrap();
        assert!(content(&store, KEY).await == expected);
        store.delete(KEY).await.unwrap();
    }
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(left(&root).len(), 3);
    upload.abort().await.unwrap();
    assert_eq!(left(&root), [""; 0]);
}

#[tokio::test]
async fn incomplete_uploads_of_killed_processes_are_removed() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let directory = root.path().join("files/p/e");
    for sweep in ["abort", "delete"] {
        std::fs::create_dir_all(&directory).unwrap();
        for name in ["1-a.csv#1", "1-a.csv#22"] {
            std::fs::write(directory.join(name), "x").unwrap();
        }
        match sweep {
            "abort" => store.abort_upload("p/e/1-a.csv", None).await.unwrap(),
            _ => store.delete("p/e/1-a.csv").await.unwrap(),
        }
        assert_eq!(left(&root), [""; 0], "{sweep}");
    }
    // The process was killed after it created the directories and before it created the file.
    std::fs::create_dir_all(&directory).unwrap();
    store.abort_upload("p/e/1-a.csv", None).await.unwrap();
    assert_eq!(left(&root), [""; 0]);
    // The process was killed before it created a directory.
    store.abort_upload("p/e/1-a.csv", None).await.unwrap();
    store.delete("p/e/1-a.csv").await.unwrap();
}

#[tokio::test]
async fn a_sweep_removes_only_files_of_its_key() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let directory = root.path().join("files/p/e");
    std::fs::create_dir_all(&directory).unwrap();
    let others = ["1-a.csv#x", "1-a.csv2#1", "11-a.csv#1", "2-a.csv#1"];
    for name in others.iter().chain(&["1-a.csv#7"]) {
        std::fs::write(directory.join(name), "x").unwrap();
    }
    store
        .put("p/e/1-a.csv", Bytes::from_static(b"done"), &headers())
        .await
        .unwrap();
    store.abort_upload("p/e/1-a.csv", None).await.unwrap();
    assert_eq!(
        content(&store, "p/e/1-a.csv").await,
        b"done",
        "an abort keeps a completed file"
    );
    store.delete("p/e/1-a.csv").await.unwrap();
    assert_eq!(
        left(&root),
        [
            "1-a.csv#x",
            "1-a.csv2#1",
            "11-a.csv#1",
            "2-a.csv#1",
            "e",
            "p"
        ]
    );
}

#[tokio::test]
async fn a_swept_upload_cannot_be_completed() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(Bytes::from_static(b"x")).await.unwrap();
    store.abort_upload(KEY, None).await.unwrap();
    upload.put_part(Bytes::from_static(b"y")).await.unwrap();
    let error = upload.complete().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(left(&root), [""; 0]);
    upload.abort().await.unwrap();
}
