//! The class of an error response, from its code or status: retryable, wrong location, or permanent with advice for an operator.
//!
//! A code has precedence over the status, because stores use one status for many reasons. Sources: the error tables of Amazon
//! S3, the GCS XML API and Azure Blob Storage, and the responses of `MinIO`, Ceph and Garage.

use http::StatusCode;

use crate::error::{Blame, ErrorKind};

/// The class of an error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// The same request may succeed soon.
    Retryable,
    /// The bucket is in another region or at another address.
    WrongLocation,
    /// The error persists until somebody acts. The text is the problem and the advice.
    Permanent(ErrorKind, Option<Advice>),
}

/// The problem, what to do, and the setting that is probably wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) text: &'static str,
    pub(super) blame: Blame,
}

const fn advice(blame: Blame, text: &'static str) -> Advice {
    Advice { text, blame }
}

use ErrorClass::{Permanent, Retryable, WrongLocation};
use ErrorKind::{Invalid, NotFound, Refused, Unavailable};

/// Some stores, such as Garage, also send this for a wrong secret key.
const ACCESS_DENIED: Advice = advice(
    Blame::AccessKey,
    "the store denies access: allow it in the bucket policy or the role, or correct the credentials (a wrong \
     secret key can also cause this)",
);
const CREDENTIALS: Advice = advice(
    Blame::Secret,
    "the store rejects the credentials: correct them",
);
const SIGNATURE: Advice = advice(
    Blame::Secret,
    "the store rejects the credentials: correct the secret key, which must belong to the access key id",
);
const EXPIRED: Advice = advice(
    Blame::SessionToken,
    "the session token has expired: set a new one with its access key id and secret key, or use \
     credentials that renew themselves (a role)",
);
const TOKEN: Advice = advice(
    Blame::SessionToken,
    "the session token is invalid: it must belong to the access key id",
);
const UNKNOWN_KEY: Advice = advice(
    Blame::AccessKey,
    "the store does not know the access key id: correct it",
);
const WEB_IDENTITY: Advice = advice(
    Blame::WebIdentity,
    "the web identity is rejected: check AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
);
const CLOCK: Advice = advice(
    Blame::Url,
    "the clocks of this machine and of the store differ: synchronize the clock (NTP)",
);
const QUOTA: Advice = advice(
    Blame::Url,
    "the quota of the store is exceeded: raise it or delete files",
);
const FULL: Advice = advice(
    Blame::Url,
    "the store has no free space: add space or delete files",
);
const BUCKET: Advice = advice(
    Blame::Url,
    "the bucket does not exist: create it or correct the name",
);
const TOO_LARGE: Advice = advice(
    Blame::Url,
    "the object or part is larger than the store allows",
);
const ACCOUNT: Advice = advice(
    Blame::Url,
    "the account is disabled or has a billing problem: see the console of the provider",
);
const ENCRYPTION: Advice = advice(
    Blame::Url,
    "the encryption key of the bucket is unusable: enable it, or allow the role to use it",
);
const REQUEST_SIZE: Advice = advice(
    Blame::Url,
    "the store, or a proxy in front of it, rejects a request of this size: allow bodies of 8 MiB",
);

#[rustfmt::skip]
const CODES: &[(&[&str], ErrorClass)] = &[
    (&[
        "BandwidthLimitExceeded", "Busy", "ConditionalRequestConflict", "ContainerBeingDeleted",
        "EC2ThrottledException", "IncompleteBody", "InternalError", "InternalFailure", "OperationAborted",
        "OperationTimedOut", "PriorRequestNotComplete", "RequestLimitExceeded", "RequestThrottled",
        "RequestThrottledException", "RequestTimeout", "RequestTimeoutException", "ServerBusy", "ServiceUnavailable",
        "SlowDown", "SlowDownRead", "SlowDownWrite", "TemporaryRedirect", "Throttling", "ThrottlingException",
        "TooManyRequests", "TooManyRequestsException", "XMinioServerNotInitialized", "backendError",
        "rateLimitExceeded", "userRateLimitExceeded",
    ], Retryable),
    (&[
        "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidLocationConstraint",
        "PermanentRedirect",
    ], WrongLocation),
    (&["ExpiredToken", "TokenRefreshRequired"], Permanent(Refused, Some(EXPIRED))),
    (&["ExpiredTokenException", "IDPRejectedClaim", "InvalidIdentityToken"], Permanent(Refused, Some(WEB_IDENTITY))),
    (&["InvalidToken", "InvalidTokenId", "UnrecognizedClientException"], Permanent(Refused, Some(TOKEN))),
    (&["InvalidAccessKeyId", "InvalidClientTokenId"], Permanent(Refused, Some(UNKNOWN_KEY))),
    (&[
        "AuthenticationFailed", "AuthenticationRequired", "InvalidAuthenticationInfo", "NoAuthenticationInformation",
        "invalid_client", "invalid_grant", "unauthorized_client",
    ], Permanent(Refused, Some(CREDENTIALS))),
    (&["SignatureDoesNotMatch"], Permanent(Refused, Some(SIGNATURE))),
    (&[
        "AccessDenied", "AllAccessDisabled", "AuthorizationFailure", "AuthorizationPermissionMismatch",
        "InsufficientAccountPermissions",
    ], Permanent(Refused, Some(ACCESS_DENIED))),
    (&["RequestTimeTooSkewed", "RequestExpired"], Permanent(Refused, Some(CLOCK))),
    (&[
        "QuotaExceeded", "StorageQuotaExceeded", "XMinioAdminBucketQuotaExceeded", "quotaExceeded",
    ], Permanent(Unavailable, Some(QUOTA))),
    (&["InsufficientStorage", "InsufficientCapacity", "XMinioStorageFull"], Permanent(Unavailable, Some(FULL))),
    (&["ContainerNotFound", "NoSuchBucket"], Permanent(Unavailable, Some(BUCKET))),
    (&["EntityTooLarge"], Permanent(Invalid, Some(TOO_LARGE))),
    (&["RequestBodyTooLarge"], Permanent(Unavailable, Some(REQUEST_SIZE))),
    (&[
        "AccountIsDisabled", "AccountProblem", "UserProjectAccountProblem", "NotSignedUp",
    ], Permanent(Refused, Some(ACCOUNT))),
    (&[
        "KMS.DisabledException", "KMS.InvalidKeyUsageException", "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
    ], Permanent(Refused, Some(ENCRYPTION))),
    (&["NoSuchKey", "NoSuchUpload", "BlobNotFound"], Permanent(NotFound, None)),
];

pub(super) fn classify(status: StatusCode, code: Option<&str>) -> ErrorClass {
    let known = CODES
        .iter()
        .find(|(codes, _)| code.is_some_and(|code| codes.contains(&code)));
    known.map_or_else(|| classify_status(status), |(_, class)| *class)
}

/// For responses without a known code, such as those of a HEAD or a proxy.
fn classify_status(status: StatusCode) -> ErrorClass {
    match status.as_u16() {
        // A 2xx here is a success response with a problem. S3 sends 409 for conflicting operations.
        200..=299 | 307 | 408 | 409 | 425 | 429 => Retryable,
        300..=399 => WrongLocation,
        401 => Permanent(Refused, Some(CREDENTIALS)),
        403 => Permanent(Refused, Some(ACCESS_DENIED)),
        404 => Permanent(NotFound, None),
        413 => Permanent(Unavailable, Some(REQUEST_SIZE)),
        501 => Permanent(Unavailable, None),
        507 => Permanent(Unavailable, Some(FULL)),
        500.. => Retryable,
        // `Unavailable` allows another attempt of the export: some overloaded proxies send 400.
        _ => Permanent(Unavailable, None),
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
    fn a_code_has_precedence_over_the_status() {
        let class = |status, code| classify(StatusCode::from_u16(status).unwrap(), code);
        assert_eq!(class(400, Some("RequestTimeout")), Retryable);
        assert_eq!(class(400, None), Permanent(Unavailable, None));
        assert_eq!(class(503, None), Retryable);
        assert_eq!(
            class(503, Some("QuotaExceeded")),
            Permanent(Unavailable, Some(QUOTA))
        );
        assert_eq!(class(507, None), Permanent(Unavailable, Some(FULL)));
        assert_eq!(class(507, Some("SlowDown")), Retryable);
        assert_eq!(
            class(403, Some("RequestTimeTooSkewed")),
            Permanent(Refused, Some(CLOCK))
        );
        assert_eq!(class(301, None), WrongLocation);
        assert_eq!(class(599, Some("Unknown")), Retryable);
    }
}
