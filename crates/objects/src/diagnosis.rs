//! Reads the stores' errors: what kind it is, one line for an operator, and what to keep for the log.
//!
//! `object_store` keeps the type that holds a request and its answer to itself, so URL, status and body are read from its text
//! (`… performing PUT http://… status code: 503 Service Unavailable: <?xml …`); a test in the suite of all stores notices if the text changes.

use std::error::Error;
use std::io;
use std::iter::successors;

use object_store::client::{HttpError, HttpErrorKind};
use url::Url;

use crate::error::ErrorKind;

/// Codes that come with a 400 or a redirect and still are about credentials or where they are valid.
const REFUSED: [&str; 6] = [
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "PermanentRedirect",
    "TokenRefreshRequired",
];

/// Where clouds give credentials to their machines. Asked when the environment has none.
const METADATA: [&str; 3] = [
    "169.254.169.254",
    "169.254.170.2",
    "metadata.google.internal",
];

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
        reason: facts.reason(error),
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
#[derive(Default)]
struct Facts {
    /// The error's own text, without the response's body.
    text: String,
    /// The innermost error's text, where it is not in `text`.
    root: Option<String>,
    status: Option<String>,
    code: Option<String>,
    message: Option<String>,
    transport: Option<HttpErrorKind>,
    host: Option<String>,
    io: Option<io::ErrorKind>,
}

impl Facts {
    fn of(error: &object_store::Error) -> Self {
        let full = one_line(&error.to_string());
        // Bodies of refused requests repeat the request that was signed, session token included.
        let text = full
            .split('<')
            .next()
            .unwrap_or(&full)
            .trim_end_matches([' ', ':']);
        let mut facts = Self {
            code: element(&full, "Code"),
            message: element(&full, "Message"),
            status: after(text, "status code: "),
            host: host(text),
            text: text.to_owned(),
            ..Self::default()
        };
        let first: &(dyn Error + 'static) = error;
        for link in successors(Some(first), |&link| link.source()) {
            if let Some(http) = link.downcast_ref::<HttpError>() {
                facts.transport = Some(http.kind());
            } else if let Some(io) = link.downcast_ref::<io::Error>() {
                facts.io = Some(io.kind());
            }
            facts.root =
                Some(one_line(&link.to_string())).filter(|root| !full.contains(root.as_str()));
        }
        facts
    }

    fn kind(&self, error: &object_store::Error) -> ErrorKind {
        use object_store::Error as E;
        match error {
            // What is missing is the place, so nothing is known about the object.
            _ if self.bucket_is_missing() => ErrorKind::Unavailable,
            E::NotFound { .. } => ErrorKind::NotFound,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorKind::Refused,
            E::NotImplemented { .. } | E::NotSupported { .. } | E::InvalidPath { .. } => {
                ErrorKind::Invalid
            }
            _ if self.asked_for_credentials() => ErrorKind::Refused,
            _ if self
                .code
                .as_deref()
                .is_some_and(|code| REFUSED.contains(&code)) =>
            {
                ErrorKind::Refused
            }
            _ => self.kind_by_answer(),
        }
    }

    /// For errors that `object_store` does not sort by itself: a listing's, for one.
    fn kind_by_answer(&self) -> ErrorKind {
        let status = self.status.as_deref().and_then(|status| status.get(..3));
        match (status, self.io) {
            (Some("401" | "403"), _) => ErrorKind::Refused,
            (Some("404"), _) => ErrorKind::NotFound,
            (None, Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)) => {
                ErrorKind::Refused
            }
            // Other answers nobody expects count as passing: attempts are bounded, and some
            // proxies answer 400 when busy. So does a path that vanishes while one writes to it:
            // it is no missing object.
            _ => ErrorKind::Unavailable,
        }
    }

    fn reason(&self, error: &object_store::Error) -> String {
        if self.asked_for_credentials() {
            return "no credentials: the environment has none, and the cloud's metadata service gives none".to_owned();
        }
        let code = self.code.as_deref();
        if self.bucket_is_missing() {
            return "the bucket does not exist".to_owned();
        }
        if let Some(transport) = self.transport {
            return self.broken(transport);
        }
        let what = match self.kind(error) {
            // S3 says so of what the credentials do not allow, Garage also of a wrong secret.
            ErrorKind::Refused if code == Some("AccessDenied") => {
                "the store refuses the credentials or what they were used for".to_owned()
            }
            ErrorKind::Refused if self.io.is_none() => {
                "the store refuses the credentials".to_owned()
            }
            ErrorKind::NotFound => "not found".to_owned(),
            _ => match &self.status {
                Some(status) => format!("the store answered {status}"),
                None => return self.root.clone().unwrap_or_else(|| self.text.clone()),
            },
        };
        match (code, &self.message) {
            (Some(code), Some(message)) => format!("{what} ({code}: {message})"),
            (Some(code), None) => format!("{what} ({code})"),
            (None, _) => what,
        }
    }

    /// One line for a request that got no whole answer.
    fn broken(&self, transport: HttpErrorKind) -> String {
        let host = self.host.as_deref().unwrap_or("the store");
        let root = self.root.as_deref().unwrap_or("it broke off");
        match transport {
            HttpErrorKind::Connect => format!("cannot connect to {host}: {root}"),
            HttpErrorKind::Timeout => format!("no answer from {host} in time"),
            _ => format!("the connection to {host} failed: {root}"),
        }
    }

    fn detail(&self) -> String {
        let words = [
            Some(&self.text),
            self.code.as_ref(),
            self.message.as_ref(),
            self.root.as_ref(),
        ];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        words.join(": ")
    }

    fn bucket_is_missing(&self) -> bool {
        matches!(
            self.code.as_deref(),
            Some("NoSuchBucket" | "ContainerNotFound")
        )
    }

    fn asked_for_credentials(&self) -> bool {
        METADATA.iter().any(|host| self.text.contains(host))
    }
}

/// The host and port of the first URL in a text.
fn host(text: &str) -> Option<String> {
    let url = text
        .split_whitespace()
        .find_map(|word| Url::parse(word).ok().filter(Url::has_host))?;
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// The text of the first XML element with this name: S3, GCS and Azure all answer errors this way.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once("</")?;
    Some(value.trim().to_owned())
}

/// What follows `marker` up to the next colon, such as `503 Service Unavailable`.
fn after(text: &str, marker: &str) -> Option<String> {
    let (_, rest) = text.split_once(marker)?;
    rest.split(':')
        .next()
        .map(|status| status.trim().to_owned())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.into(),
        }
    }

    #[test]
    fn an_answer_is_reduced_to_its_status_and_code() {
        let found = of(&generic(
            "Error performing PUT http://h/b/k?uploadId=u in 1ms - Server returned non-2xx status code: 503 Service \
             Unavailable: <?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>",
        ));
        assert_eq!(found.kind, ErrorKind::Unavailable);
        assert_eq!(
            found.reason,
            "the store answered 503 Service Unavailable (SlowDown: Reduce your rate)"
        );
        assert!(found.detail.contains("uploadId=u"), "{}", found.detail);
    }

    #[test]
    fn a_signed_request_that_a_server_echoes_is_not_kept() {
        let found = of(&generic(
            "status code: 400 Bad Request: <Error><Code>ExpiredToken</Code><Message>The token has expired</Message>\
             <CanonicalRequest>x-amz-security-token:hush</CanonicalRequest></Error>",
        ));
        assert_eq!(found.kind, ErrorKind::Refused);
        assert!(
            found
                .reason
                .ends_with("(ExpiredToken: The token has expired)"),
            "{}",
            found.reason
        );
        assert!(!format!("{}{}", found.reason, found.detail).contains("hush"));
    }

    #[test]
    fn a_wrong_secret_is_told_as_well_where_the_code_says_access_denied() {
        let found = of(&generic(
            "status code: 403 Forbidden: <Error><Code>AccessDenied</Code><Message>Forbidden: Invalid signature</Message></Error>",
        ));
        assert_eq!(found.kind, ErrorKind::Refused);
        assert_eq!(
            found.reason,
            "the store refuses the credentials or what they were used for (AccessDenied: Forbidden: Invalid signature)"
        );
    }

    #[test]
    fn missing_credentials_are_named_as_such() {
        let found = of(&generic(
            "Error performing PUT http://169.254.169.254/latest/api/token in 1s - HTTP error",
        ));
        assert_eq!(found.kind, ErrorKind::Refused);
        assert!(
            found.reason.starts_with("no credentials"),
            "{}",
            found.reason
        );
    }

    #[test]
    fn a_full_disk_passes_and_a_read_only_one_is_refused() {
        let disk = |kind: io::ErrorKind| object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(kind)),
        };
        assert_eq!(
            of(&disk(io::ErrorKind::StorageFull)).kind,
            ErrorKind::Unavailable
        );
        let refused = of(&disk(io::ErrorKind::ReadOnlyFilesystem));
        assert_eq!(refused.kind, ErrorKind::Refused);
        assert!(refused.reason.contains("read-only"), "{}", refused.reason);
    }
}
