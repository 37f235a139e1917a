//! The error type of the object store. Its texts are for operators and logs.
//!
//! The source of an error contains whole URLs, including upload ids. Consumers must never see it.

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The store is unreachable or overloaded, the connection was lost, the bucket is missing, a disk is full, or the response
    /// is not one that the store should send.
    Unavailable,
    /// The store does not accept the credentials, or they do not permit the operation.
    Refused,
    /// The object or the upload does not exist.
    NotFound,
    /// The request can never succeed: a malformed key, too many parts, an unsupported operation.
    Invalid,
}

/// A failed operation. `Display` is one line for an operator: the operation and the reason. The source adds the store's message.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {reason}")]
pub struct StoreError {
    kind: ErrorKind,
    action: &'static str,
    reason: String,
    source: Option<Detail>,
    lacks_credentials: bool,
    blame: Blame,
}

/// The setting that is probably wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Blame {
    /// The URL of the store.
    #[default]
    Url,
    Endpoint,
    Region,
    AccessKey,
    Secret,
    SessionToken,
    WebIdentity,
}

/// The store's message on one line, without the parts of a signed request that a server may echo.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Detail(String);

impl StoreError {
    /// The kind of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether a retry may succeed: true except for [`ErrorKind::Invalid`]. An operator can correct refused credentials, and a
    /// new attempt creates its own objects and uploads.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.kind {
            ErrorKind::Unavailable | ErrorKind::Refused | ErrorKind::NotFound => true,
            ErrorKind::Invalid => false,
        }
    }

    pub(crate) fn new(kind: ErrorKind, action: &'static str, reason: impl Into<String>) -> Self {
        Self {
            kind,
            action,
            reason: reason.into(),
            source: None,
            lacks_credentials: false,
            blame: Blame::default(),
        }
    }

    /// The reason on one line, without the operation.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn blame(&self) -> Blame {
        self.blame
    }

    pub(crate) fn blaming(self, blame: Blame) -> Self {
        Self { blame, ..self }
    }

    /// Whether no credentials were found: neither in the settings nor at the cloud's metadata service.
    #[must_use]
    pub fn lacks_credentials(&self) -> bool {
        self.lacks_credentials
    }

    pub(crate) fn without_credentials(self, lacks_credentials: bool) -> Self {
        Self {
            lacks_credentials,
            ..self
        }
    }

    pub(crate) fn with_detail(self, detail: String) -> Self {
        Self {
            source: Some(Detail(detail)),
            ..self
        }
    }

    /// The file does not exist.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            ErrorKind::NotFound,
            "cannot find the file",
            "it does not exist",
        )
    }
}
