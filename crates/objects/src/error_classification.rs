//! Reads the stores' errors: what kind it is, one line for an operator, and what to keep for the log.
//!
//! What a store answered, or that it did not, comes as a type of the transport's own; only what `object_store` finds wrong by
//! itself is left to its variants.

use std::error::Error;
use std::io;
use std::iter::successors;

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::ErrorKind;
use crate::transport::error_response::{Answer, Broken};

const NO_CREDENTIALS: &str =
    "no credentials: the environment has none, and the cloud's metadata service gives none";

/// What one error amounts to.
pub(crate) struct Diagnosis {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: String,
    pub(crate) detail: String,
}

pub(crate) fn of(error: &object_store::Error) -> Diagnosis {
    let facts = Facts::of(error);
    Diagnosis {
        kind: facts.kind(error),
        reason: facts.reason(),
        detail: facts.detail(),
    }
}

pub(crate) fn io_kind(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Refused,
        _ => ErrorKind::Unavailable,
    }
}

/// What the chain of an error says, gathered once.
struct Facts<'a> {
    text: String,
    /// The innermost error's text, where it is not in `text`.
    root: Option<String>,
    answer: Option<&'a Answer>,
    broken: Option<&'a Broken>,
    transport: Option<HttpErrorKind>,
}

impl<'a> Facts<'a> {
    fn of(error: &'a object_store::Error) -> Self {
        let mut facts = Self {
            text: one_line(&error.to_string()),
            root: None,
            answer: None,
            broken: None,
            transport: None,
        };
        let first: &(dyn Error + 'static) = error;
        for link in successors(Some(first), |&link| link.source()) {
            facts.answer = facts.answer.or(link.downcast_ref());
            facts.broken = facts.broken.or(link.downcast_ref());
            if let Some(http) = link.downcast_ref::<HttpError>() {
                facts.transport = facts.transport.or(Some(http.kind()));
            }
            facts.root = Some(one_line(&link.to_string()));
        }
        facts
    }

    fn kind(&self, error: &object_store::Error) -> ErrorKind {
        use object_store::Error as E;
        if self.asked_for_credentials() {
            return ErrorKind::Refused;
        }
        if let Some(answer) = self.answer {
            return answer.kind();
        }
        match error {
            E::NotImplemented { .. } | E::NotSupported { .. } | E::InvalidPath { .. } => {
                ErrorKind::Invalid
            }
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorKind::Refused,
            _ => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> String {
        if self.asked_for_credentials() {
            return NO_CREDENTIALS.to_owned();
        }
        match (self.answer, self.broken, self.transport) {
            (Some(answer), _, _) => answer.reason(),
            (None, Some(broken), Some(transport)) => self.unanswered(broken, transport),
            _ => self.root.clone().unwrap_or_else(|| self.text.clone()),
        }
    }

    /// One line for a request that got no whole answer.
    fn unanswered(&self, broken: &Broken, transport: HttpErrorKind) -> String {
        let host = &broken.host;
        let root = self.root.as_deref().unwrap_or("it broke off");
        match transport {
            HttpErrorKind::Connect => format!("cannot connect to {host}: {root}"),
            HttpErrorKind::Timeout => format!("no answer from {host} in time"),
            _ => format!("the connection to {host} failed: {root}"),
        }
    }

    fn detail(&self) -> String {
        match &self.root {
            Some(root) if !self.text.contains(root.as_str()) => format!("{}: {root}", self.text),
            _ => self.text.clone(),
        }
    }

    fn asked_for_credentials(&self) -> bool {
        self.answer.is_some_and(|answer| answer.is_metadata)
            || self.broken.is_some_and(|broken| broken.is_metadata)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
