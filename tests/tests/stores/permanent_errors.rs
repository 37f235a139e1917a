//! Permanent errors of a store: no retry, and a message with a remedy.

use exports_objects::ErrorKind::{self, Invalid, Refused, Unavailable};
use exports_tests::s3::{Fault, Kind, Reply, S3Server};

use crate::{KEY, bucket, content, headers};

on_each_server!(
    permanent_errors_are_reported_without_retry,
    a_wrong_region_is_reported_without_retry
);

const ACCESS: &str = "the store denies access: allow it in the bucket policy or the role";
const REGION: &str =
    "the bucket is in region eu-west-1, but AWS_REGION is us-east-1: set AWS_REGION=eu-west-1";
const ELSEWHERE: &str = "the bucket is not in the region of AWS_REGION (us-east-1)";

#[rustfmt::skip]
const ANSWERS: [(u16, &str, ErrorKind, &str); 16] = [
    (403, "QuotaExceeded", Unavailable, "quota of the store is exceeded"),
    (400, "XMinioAdminBucketQuotaExceeded", Unavailable, "quota of the store is exceeded"),
    (507, "XMinioStorageFull", Unavailable, "the store has no free space"),
    (507, "InsufficientStorage", Unavailable, "the store has no free space"),
    (507, "", Unavailable, "the store has no free space"),
    (400, "ExpiredToken", Refused, "the session token has expired: set a new one"),
    (400, "InvalidToken", Refused, "the session token is invalid: it must belong"),
    (403, "InvalidAccessKeyId", Refused, "does not know the access key id"),
    (403, "SignatureDoesNotMatch", Refused, "the store rejects the credentials"),
    (403, "AccessDenied", Refused, ACCESS),
    (200, "AccessDenied", Refused, ACCESS),
    (403, "RequestTimeTooSkewed", Refused, "synchronize the clock (NTP)"),
    (404, "NoSuchBucket", Unavailable, "the bucket does not exist"),
    (400, "EntityTooLarge", Invalid, "larger than the store allows"),
    (413, "", Unavailable, "allow bodies of 8 MiB"),
    (403, "UserProjectAccountProblem", Refused, "billing problem"),
];

async fn permanent_errors_are_reported_without_retry(server: S3Server) {
    for (status, code, kind, words) in ANSWERS {
        let reply = Reply {
            status,
            code,
            ..Reply::default()
        };
        assert_reported_without_retry(&server, reply, kind, words).await;
    }
}

async fn a_wrong_region_is_reported_without_retry(server: S3Server) {
    let reply = |status, code| Reply {
        status,
        code,
        ..Reply::default()
    };
    for (reply, words) in [
        (reply(400, "IllegalLocationConstraintException"), ELSEWHERE),
        (
            Reply {
                headers: &[("x-amz-bucket-region", "eu-west-1")],
                ..reply(301, "PermanentRedirect")
            },
            REGION,
        ),
        (
            Reply {
                elements: "<Endpoint>exports.s3-eu-west-1.amazonaws.com</Endpoint>",
                ..reply(301, "PermanentRedirect")
            },
            REGION,
        ),
        (
            Reply {
                headers: &[("location", "https://exports.s3.eu-west-1.amazonaws.com/k")],
                ..reply(307, "TemporaryRedirect")
            },
            REGION,
        ),
        (
            Reply {
                elements: "<Region>eu-west-1</Region>",
                ..reply(400, "AuthorizationHeaderMalformed")
            },
            REGION,
        ),
    ] {
        assert_reported_without_retry(&server, reply, Refused, words).await;
    }
}

/// A put, a create-upload request and a part: each is sent once and fails with this error.
async fn assert_reported_without_retry(
    server: &S3Server,
    reply: Reply,
    kind: ErrorKind,
    words: &str,
) {
    let store = bucket(server);
    let mut upload = store.begin_upload(KEY, &headers()).await.unwrap();
    let lasting = server.inject(
        |seen| matches!(seen.kind, Kind::Put | Kind::CreateUpload | Kind::PutPart),
        Fault::Reply(reply),
    );
    let errors = [
        store.put(KEY, content(10), &headers()).await.unwrap_err(),
        store.begin_upload(KEY, &headers()).await.unwrap_err(),
        upload.put_part(content(10)).await.unwrap_err(),
    ];
    assert_eq!(lasting.hits(), errors.len(), "{reply:?} was retried");
    drop(lasting);
    upload.abort().await.unwrap();
    for error in errors {
        let line = error.to_string();
        assert!(line.contains(words), "{reply:?}: {line}");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(error.kind(), kind, "{line}");
        assert_eq!(error.is_transient(), kind != Invalid);
        assert_eq!(
            line.contains("rejects the credentials"),
            reply.code == "SignatureDoesNotMatch",
            "{line}"
        );
    }
    assert_eq!(server.objects(), [""; 0]);
}
