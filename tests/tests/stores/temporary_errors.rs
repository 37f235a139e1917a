//! Temporary errors of a store: only the request is retried, and the caller sees no error.

use std::collections::HashSet;
use std::sync::Mutex;

use exports_objects::{PART_SIZE, Store};
use exports_tests::s3::{Fault, Kind, Reply, S3Server};

use crate::{KEY, bucket, content, download, headers, upload};

on_each_server!(
    every_request_is_retried_after_each_temporary_error,
    an_invalid_success_response_is_retried,
    a_redirect_to_another_address_is_followed,
    an_error_that_outlasts_the_retries_is_returned,
);

const EVERY: [Kind; 8] = [
    Kind::Put,
    Kind::CreateUpload,
    Kind::PutPart,
    Kind::CompleteUpload,
    Kind::AbortUpload,
    Kind::Head,
    Kind::Delete,
    Kind::List,
];

/// Runs each operation once and checks the stored bytes.
async fn use_it(store: &Store) {
    store.check().await.unwrap();
    store.put(KEY, content(1000), &headers()).await.unwrap();
    assert_eq!(store.size(KEY).await.unwrap(), Some(1000));
    assert!(download(store, KEY).await == content(1000));
    store.delete(KEY).await.unwrap();
    let file = content(PART_SIZE + 1);
    let parts = [file.slice(..PART_SIZE), file.slice(PART_SIZE..)];
    upload(store, KEY, parts).await;
    assert!(download(store, KEY).await == file, "the file differs");
    store.delete(KEY).await.unwrap();
    let begun = store.begin_upload(KEY, &headers()).await.unwrap();
    begun.abort().await.unwrap();
}

/// Injects the fault into the first request of each of these kinds.
async fn first_of_each(server: &S3Server, kinds: &[Kind], fault: Fault) {
    let met = Mutex::new(HashSet::new());
    let picked = kinds.to_vec();
    let injected = server.inject(
        move |seen| picked.contains(&seen.kind) && met.lock().unwrap().insert(seen.kind),
        fault,
    );
    use_it(&bucket(server)).await;
    assert_eq!(injected.hits(), kinds.len(), "{fault:?}");
}

async fn every_request_is_retried_after_each_temporary_error(server: S3Server) {
    for (status, code) in [
        (400, "RequestTimeout"),
        (503, "SlowDown"),
        (503, ""),
        (409, "OperationAborted"),
        (409, "ConditionalRequestConflict"),
        (500, "InternalError"),
        (500, ""),
        (502, ""),
        (504, ""),
        (429, "TooManyRequests"),
        (429, ""),
        (408, ""),
        (507, "SlowDown"),
        (307, "TemporaryRedirect"),
    ] {
        // The response of a HEAD has no body, so only its status identifies the error.
        let kinds = EVERY.into_iter();
        let kinds: Vec<_> = kinds
            .filter(|kind| !(*kind == Kind::Head && [400, 507].contains(&status)))
            .collect();
        let reply = Reply {
            status,
            code,
            ..Reply::default()
        };
        first_of_each(&server, &kinds, Fault::Reply(reply)).await;
    }
    let soon = Reply {
        status: 503,
        headers: &[("retry-after", "1")],
        ..Reply::default()
    };
    let begun = std::time::Instant::now();
    first_of_each(&server, &[Kind::Put], Fault::Reply(soon)).await;
    assert!(
        begun.elapsed().as_millis() >= 1000,
        "Retry-After is respected"
    );
}

async fn an_invalid_success_response_is_retried(server: S3Server) {
    let inside = Fault::Reply(Reply {
        status: 200,
        code: "InternalError",
        ..Reply::default()
    });
    let answered = [
        Kind::Put,
        Kind::CreateUpload,
        Kind::PutPart,
        Kind::CompleteUpload,
        Kind::List,
    ];
    first_of_each(&server, &answered, inside).await;
    let empty = Fault::Reply(Reply {
        status: 200,
        ..Reply::default()
    });
    first_of_each(&server, &answered, empty).await;
    first_of_each(&server, &[Kind::Put, Kind::PutPart], Fault::WithoutEtag).await;
    first_of_each(&server, &answered, Fault::BreakOff).await;
    // A completion that is repeated after success finds no upload: the size of the object resolves it.
    first_of_each(&server, &[Kind::CompleteUpload], Fault::LoseAnswer).await;
}

async fn a_redirect_to_another_address_is_followed(server: S3Server) {
    // The signature covers the address, so the request must be signed again.
    let address: &'static str = Box::leak(server.public_endpoint().into_boxed_str());
    for status in [301, 302, 307, 308] {
        first_of_each(&server, &EVERY, Fault::Redirect(status, address)).await;
    }
    // If the other address does not respond, the client uses the first one again.
    first_of_each(&server, &EVERY, Fault::Redirect(307, "http://127.0.0.1:9")).await;
}

async fn an_error_that_outlasts_the_retries_is_returned(server: S3Server) {
    let store = bucket(&server);
    let busy = server.inject(
        |seen| seen.kind == Kind::Delete,
        Fault::Reply(Reply {
            status: 503,
            code: "SlowDown",
            ..Reply::default()
        }),
    );
    let error = store.delete(KEY).await.unwrap_err();
    assert!(error.is_transient());
    let line = error.to_string();
    assert!(line.contains("503 Service Unavailable (SlowDown"), "{line}");
    assert_eq!(busy.hits(), 3, "the number of retries is bounded");
}
