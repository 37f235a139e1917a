//! Failed requests: lost responses, refusals, outages, corrupted bytes.

use bytes::Bytes;
use exports_objects::{ErrorKind, PART_SIZE};
use exports_tests::s3::{Fault, Kind, S3Server};

use crate::{KEY, bucket, bucket_set, content, download, headers, upload};

on_each_server!(
    a_lost_response_to_create_upload_leaves_an_upload_behind,
    a_part_sent_after_the_abort_stores_nothing,
    parts_below_5_mib_are_rejected_except_by_garage,
    a_lost_response_to_complete_is_resolved_by_the_object_size,
    an_object_of_another_size_does_not_complete_an_upload,
    a_request_is_retried_during_a_short_outage,
    a_held_request_continues_after_its_release,
    status_403_is_refused_and_503_is_unavailable,
);

async fn a_lost_response_to_complete_is_resolved_by_the_object_size(server: S3Server) {
    let store = bucket(&server);
    let lost = server.inject(|seen| seen.kind == Kind::CompleteUpload, Fault::LoseAnswer);
    let file = content(PART_SIZE + 1);
    upload(
        &store,
        KEY,
        [file.slice(..PART_SIZE), file.slice(PART_SIZE..)],
    )
    .await;
    assert!(lost.hits() >= 2, "the request is retried");
    assert!(download(&store, KEY).await == file, "the file differs");
}

async fn an_object_of_another_size_does_not_complete_an_upload(server: S3Server) {
    let store = bucket(&server);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(content(1000)).await.unwrap();
    store.abort_upload(KEY, upload.id()).await.unwrap();
    store.put(KEY, content(999), &headers()).await.unwrap();
    let error = upload.complete().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

async fn a_request_is_retried_during_a_short_outage(server: S3Server) {
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

async fn a_held_request_continues_after_its_release(server: S3Server) {
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

async fn status_403_is_refused_and_503_is_unavailable(server: S3Server) {
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
    assert!(busy.hits() > 1, "the request is retried");
}

// Only Garage: `s3s-fs` rejects a wrong signature with a 500, which the client retries until it gives up, and ignores the
// checksum of a part.
#[tokio::test]
async fn a_corrupted_byte_is_detected() {
    let Some(server) = S3Server::garage() else {
        return;
    };
    // Detected by a checksum (the default for this machine) and by the signature (the default over a network).
    for variables in [&[][..], &[("AWS_UNSIGNED_PAYLOAD", "false")]] {
        let store = bucket_set(&server, variables);
        let carries_data = |kind| matches!(kind, Kind::Put | Kind::PutPart);
        let damaging = server.inject(move |seen| carries_data(seen.kind), Fault::Corrupt);
        let error = store
            .put(KEY, content(1000), &headers())
            .await
            .expect_err("corrupted bytes are rejected");
        assert!(error.is_transient(), "{error}");
        let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
        let error = upload
            .put_part(content(PART_SIZE))
            .await
            .expect_err("corrupted bytes are rejected");
        assert!(error.is_transient(), "{error}");
        assert_eq!(damaging.hits(), 2, "{variables:?}");
        upload.abort().await.unwrap();
        assert_eq!(server.objects(), [""; 0]);
    }
}

async fn a_part_sent_after_the_abort_stores_nothing(server: S3Server) {
    let store = bucket(&server);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    upload.put_part(content(PART_SIZE)).await.unwrap();
    let held = server.inject(|seen| seen.kind == Kind::PutPart, Fault::Hold);
    let late = tokio::spawn(upload.put_part(content(PART_SIZE)));
    held.reached(1).await;
    store.abort_upload(KEY, upload.id()).await.unwrap();
    drop(held);
    let error = late.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(server.objects(), [""; 0]);
}

/// The id of the upload is unknown, so the bucket's lifecycle rule for unfinished uploads must remove it. Garage removes it when
/// a later upload of the same key is completed.
async fn a_lost_response_to_create_upload_leaves_an_upload_behind(server: S3Server) {
    let store = bucket(&server);
    let lost = server.inject(|seen| seen.kind == Kind::CreateUpload, Fault::LoseAnswer);
    upload(&store, KEY, [content(1000)]).await;
    assert_eq!(lost.hits(), 2);
    assert_eq!(server.uploads(), usize::from(!server.is_garage()));
    assert_eq!(download(&store, KEY).await, content(1000));
}

async fn parts_below_5_mib_are_rejected_except_by_garage(server: S3Server) {
    let store = bucket(&server);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    for _ in 0..2 {
        upload.put_part(content(1000)).await.unwrap();
    }
    assert_eq!(upload.complete().await.is_ok(), server.is_garage());
}
