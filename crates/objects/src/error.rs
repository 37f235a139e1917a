//! What can go wrong with a store, as its callers need to tell it apart.
//!
//! Owns the type; [`crate::error_classification`] reads the stores' own errors. All texts are for operators and logs. The source of
//! an error holds whole URLs, upload ids included, and must never reach a consumer.

use std::io;

use crate::error_classification::{self, Diagnosis};

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The store cannot be reached, is overloaded or broke off, its bucket is missing, a disk is full, or it answered
    /// something unexpected.
    Unavailable,
    /// The store does not accept the credentials, or they do not allow this.
    Refused,
    /// There is no such object or upload.
    NotFound,
    /// The request itself can never succeed: a malformed key, too many parts, an operation this store does not have.
    Invalid,
}

/// A failed operation. `Display` is one line for an operator: what failed and why; the source adds the store's own words.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {reason}")]
pub struct StoreError {
    kind: ErrorKind,
    action: &'static str,
    reason: String,
    source: Option<Detail>,
}

/// The store's own words, on one line, without what a server may echo of a request's signature.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Detail(String);

impl StoreError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same may succeed later: everything except [`ErrorKind::Invalid`]. Refused credentials count, since
    /// it is the operator who mends them, and a missing object or upload does, since a new attempt makes its own.
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
        }
    }

    /// Of a file that is not there.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            ErrorKind::NotFound,
            "cannot find the file",
            "it is not there",
        )
    }

    /// For `map_err`: reads an error of the object store.
    pub(crate) fn store(action: &'static str) -> impl FnOnce(object_store::Error) -> Self {
        move |error| {
            let Diagnosis {
                kind,
                reason,
                detail,
            } = error_classification::of(&error);
            Self {
                source: Some(Detail(detail)),
                ..Self::new(kind, action, reason)
            }
        }
    }

    /// For `map_err`: reads an error of the file system.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            Self::new(
                error_classification::io_kind(error.kind()),
                action,
                error.to_string(),
            )
        }
    }
}
