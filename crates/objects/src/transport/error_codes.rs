//! What each answer of a store means: whether the reason passes by itself, and otherwise what an operator can do.
//!
//! Codes come before the status: stores give one status for many reasons. Sources: the error tables of Amazon's S3, GCS's XML
//! API and Azure Blob Storage, and what `MinIO`, Ceph and Garage answer.

use http::StatusCode;

use crate::error::ErrorKind;

/// What an answer that is no success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The same request can succeed in a moment.
    Passing,
    /// The bucket is somewhere else.
    Elsewhere,
    /// It stays until somebody acts. The words say what it is and what to do; without them the status has to.
    Lasting(ErrorKind, Option<&'static str>),
}

use ErrorKind::{Invalid, NotFound, Refused, Unavailable};
use Meaning::{Elsewhere, Lasting, Passing};

/// Also the answer of some stores, Garage for one, to a wrong secret.
const ACCESS_DENIED: &str = "the store denies access: allow it in the bucket's policy or the role, or correct the credentials (a wrong \
     secret can look like this)";

const CREDENTIALS: &str = "the store refuses the credentials";
const EXPIRED: &str = "the session token has expired: give a new AWS_SESSION_TOKEN with its key id and secret, or credentials that \
     renew themselves (a role)";
const TOKEN: &str =
    "the session token is not valid: AWS_SESSION_TOKEN must belong to AWS_ACCESS_KEY_ID";
const UNKNOWN_KEY: &str = "the store does not know the access key: correct AWS_ACCESS_KEY_ID";
const WEB_IDENTITY: &str =
    "the web identity is not accepted: see AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN";
const CLOCK: &str = "this machine's clock and the store's differ: set the clock (NTP)";
const QUOTA: &str = "the store's quota is used up: raise it or delete files";
const FULL: &str = "the store is full: give it more space or delete files";
const BUCKET: &str = "the bucket does not exist";
const TOO_LARGE: &str = "the store takes no object or part this large";
const ACCOUNT: &str =
    "the store's account is disabled or has a billing problem: see the provider's console";
const ENCRYPTION: &str =
    "the bucket's encryption key cannot be used: enable it, or allow the role to use it";
const REQUEST_SIZE: &str =
    "the store, or a proxy before it, refuses a request of this size: it must take bodies of 8 MiB";

const CODES: &[(&[&str], Meaning)] = &[
    (
        &[
            "BandwidthLimitExceeded",
            "Busy",
            "ConditionalRequestConflict",
            "ContainerBeingDeleted",
            "EC2ThrottledException",
            "IncompleteBody",
            "InternalError",
            "InternalFailure",
            "OperationAborted",
            "OperationTimedOut",
            "PriorRequestNotComplete",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServerBusy",
            "ServiceUnavailable",
            "SlowDown",
            "SlowDownRead",
            "SlowDownWrite",
            "TemporaryRedirect",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
            "XMinioServerNotInitialized",
            "backendError",
            "rateLimitExceeded",
            "userRateLimitExceeded",
        ],
        Passing,
    ),
    (
        &[
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "InvalidLocationConstraint",
            "PermanentRedirect",
        ],
        Elsewhere,
    ),
    (
        &["ExpiredToken", "TokenRefreshRequired"],
        Lasting(Refused, Some(EXPIRED)),
    ),
    (
        &[
            "ExpiredTokenException",
            "IDPRejectedClaim",
            "InvalidIdentityToken",
        ],
        Lasting(Refused, Some(WEB_IDENTITY)),
    ),
    (
        &[
            "InvalidToken",
            "InvalidTokenId",
            "UnrecognizedClientException",
        ],
        Lasting(Refused, Some(TOKEN)),
    ),
    (
        &["InvalidAccessKeyId", "InvalidClientTokenId"],
        Lasting(Refused, Some(UNKNOWN_KEY)),
    ),
    (
        &[
            "AuthenticationFailed",
            "InvalidAuthenticationInfo",
            "NoAuthenticationInformation",
            "SignatureDoesNotMatch",
        ],
        Lasting(Refused, Some(CREDENTIALS)),
    ),
    (
        &[
            "AccessDenied",
            "AllAccessDisabled",
            "AuthorizationFailure",
            "AuthorizationPermissionMismatch",
            "InsufficientAccountPermissions",
        ],
        Lasting(Refused, Some(ACCESS_DENIED)),
    ),
    (
        &["RequestTimeTooSkewed", "RequestExpired"],
        Lasting(Refused, Some(CLOCK)),
    ),
    (
        &[
            "QuotaExceeded",
            "StorageQuotaExceeded",
            "XMinioAdminBucketQuotaExceeded",
            "quotaExceeded",
        ],
        Lasting(Unavailable, Some(QUOTA)),
    ),
    (
        &[
            "InsufficientStorage",
            "InsufficientCapacity",
            "XMinioStorageFull",
        ],
        Lasting(Unavailable, Some(FULL)),
    ),
    (
        &["ContainerNotFound", "NoSuchBucket"],
        Lasting(Unavailable, Some(BUCKET)),
    ),
    (&["EntityTooLarge"], Lasting(Invalid, Some(TOO_LARGE))),
    (
        &["RequestBodyTooLarge"],
        Lasting(Unavailable, Some(REQUEST_SIZE)),
    ),
    (
        &[
            "AccountIsDisabled",
            "AccountProblem",
            "UserProjectAccountProblem",
            "NotSignedUp",
        ],
        Lasting(Refused, Some(ACCOUNT)),
    ),
    (
        &[
            "KMS.DisabledException",
            "KMS.InvalidKeyUsageException",
            "KMS.KMSInvalidStateException",
            "KMS.NotFoundException",
        ],
        Lasting(Refused, Some(ENCRYPTION)),
    ),
    (
        &["NoSuchKey", "NoSuchUpload", "BlobNotFound"],
        Lasting(NotFound, None),
    ),
];

pub(super) fn of(status: StatusCode, code: Option<&str>) -> Meaning {
    let known = CODES
        .iter()
        .find(|(codes, _)| code.is_some_and(|code| codes.contains(&code)));
    known.map_or_else(|| by_status(status), |(_, meaning)| *meaning)
}

/// For answers without a code, or with one that nobody knows: a HEAD's, a proxy's.
fn by_status(status: StatusCode) -> Meaning {
    match status.as_u16() {
        // A 409 is S3's answer to operations that meet; a success that is none is a garbled one.
        200..=299 | 307 | 408 | 409 | 425 | 429 => Passing,
        300..=399 => Elsewhere,
        401 => Lasting(Refused, Some(CREDENTIALS)),
        403 => Lasting(Refused, Some(ACCESS_DENIED)),
        404 => Lasting(NotFound, None),
        413 => Lasting(Unavailable, Some(REQUEST_SIZE)),
        501 => Lasting(Unavailable, None),
        507 => Lasting(Unavailable, Some(FULL)),
        500.. => Passing,
        // Whatever nobody expects is worth another attempt, which is bounded: some proxies answer 400 when busy.
        _ => Lasting(Unavailable, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_listed_twice() {
        let mut codes: Vec<_> = CODES.iter().flat_map(|(codes, _)| *codes).collect();
        let listed = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), listed);
    }

    #[test]
    fn a_code_counts_more_than_its_status() {
        let of = |status, code| of(StatusCode::from_u16(status).unwrap(), code);
        assert_eq!(of(400, Some("RequestTimeout")), Passing);
        assert_eq!(of(400, None), Lasting(Unavailable, None));
        assert_eq!(of(503, None), Passing);
        assert_eq!(
            of(503, Some("QuotaExceeded")),
            Lasting(Unavailable, Some(QUOTA))
        );
        assert_eq!(of(507, None), Lasting(Unavailable, Some(FULL)));
        assert_eq!(of(507, Some("SlowDown")), Passing);
        assert_eq!(
            of(403, Some("RequestTimeTooSkewed")),
            Lasting(Refused, Some(CLOCK))
        );
        assert_eq!(of(301, None), Elsewhere);
        assert_eq!(of(599, Some("Unheard")), Passing);
    }
}
