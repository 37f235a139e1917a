//! Error classification: turns errors of `object_store` and of the file system into [`StoreError`]s.
//!
//! The transport wraps error responses and connection errors in its own types. For all other errors, the variants of
//! `object_store` decide.

use std::error::Error;
use std::io;
use std::iter::successors;

use object_store::client::{HttpError, HttpErrorKind};
use rustls::CertificateError;

use crate::error::{Blame, ErrorKind, StoreError};
use crate::io_reason::io_reason;
use crate::transport::connection_error::ConnectionError;
use crate::transport::error_response::ErrorResponse;

const REFUSED: &str = "connection refused: start the server, or correct host and port";
const NO_CREDENTIALS: &str =
    "no credentials: neither the environment variables nor the cloud's metadata service has any";

impl StoreError {
    /// For `map_err`: classifies an error of `object_store`.
    pub(crate) fn store(action: &'static str) -> impl FnOnce(object_store::Error) -> Self {
        move |error| {
            let chain = ErrorChain::of(&error);
            Self::new(chain.kind(&error), action, chain.reason())
                .blaming(chain.blame())
                .with_detail(chain.detail())
                .without_credentials(chain.is_from_metadata_service())
        }
    }

    /// For `map_err`: classifies an error of the file system.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    ErrorKind::Refused
                }
                _ => ErrorKind::Unavailable,
            };
            Self::new(kind, action, io_reason(&error))
        }
    }
}

/// The reason of an error, on one line for an operator.
pub(crate) fn reason(error: &object_store::Error) -> String {
    ErrorChain::of(error).reason()
}

/// The information in an error and its sources.
struct ErrorChain<'a> {
    text: String,
    /// The text of the innermost error.
    root: String,
    /// What the innermost error means for an operator, if it is a frequent one.
    problem: Option<&'static str>,
    response: Option<&'a ErrorResponse>,
    connection: Option<&'a ConnectionError>,
    http: Option<HttpErrorKind>,
}

impl<'a> ErrorChain<'a> {
    fn of(error: &'a object_store::Error) -> Self {
        let text = one_line(&error.to_string());
        let mut chain = Self {
            root: text.clone(),
            problem: None,
            text,
            response: None,
            connection: None,
            http: None,
        };
        let first: &(dyn Error + 'static) = error;
        for link in successors(Some(first), |&link| link.source()) {
            chain.response = chain.response.or(link.downcast_ref());
            chain.connection = chain.connection.or(link.downcast_ref());
            let http = link.downcast_ref::<HttpError>();
            chain.http = chain.http.or(http.map(HttpError::kind));
            chain.problem = connection_problem(link).or(chain.problem);
            chain.root = one_line(&link.to_string());
        }
        chain
    }

    fn kind(&self, error: &object_store::Error) -> ErrorKind {
        use object_store::Error as E;
        if self.is_from_metadata_service() {
            return ErrorKind::Refused;
        }
        if let Some(response) = self.response {
            return response.kind();
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
        if self.is_from_metadata_service() {
            return NO_CREDENTIALS.to_owned();
        }
        match (self.response, self.connection, self.http) {
            (Some(response), _, _) => response.reason(),
            (None, Some(connection), Some(http)) => self.connection_reason(&connection.host, http),
            _ => self.root.clone(),
        }
    }

    /// A request that gets no response went to the wrong place, and one that is refused has a wrong setting.
    fn blame(&self) -> Blame {
        match (self.response, self.connection) {
            _ if self.is_from_metadata_service() => Blame::AccessKey,
            (Some(response), _) => response.blame(),
            (None, Some(_)) => Blame::Endpoint,
            (None, None) => Blame::Url,
        }
    }

    fn connection_reason(&self, host: &str, http: HttpErrorKind) -> String {
        let root = self.problem.unwrap_or(&self.root);
        match http {
            HttpErrorKind::Connect => format!("cannot connect to {host}: {root}"),
            HttpErrorKind::Timeout => format!("no response from {host} before the timeout"),
            _ => format!("the connection to {host} failed: {root}"),
        }
    }

    fn detail(&self) -> String {
        if self.text.contains(&self.root) {
            self.text.clone()
        } else {
            format!("{}: {}", self.text, self.root)
        }
    }

    /// `object_store` asks the metadata service for credentials when the environment variables contain none.
    fn is_from_metadata_service(&self) -> bool {
        self.response.is_some_and(|response| response.is_metadata)
            || self.connection.is_some_and(|error| error.is_metadata)
    }
}

/// Frequent problems, in words that say what to do.
fn connection_problem(link: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = link.downcast_ref::<io::Error>() {
        // The sources of the error inside are sources of this one, but it itself is not.
        let inner = error.get_ref().and_then(|inner| connection_problem(inner));
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        return inner.or(refused.then_some(REFUSED));
    }
    if let Some(error) = link.downcast_ref::<rustls::Error>() {
        return tls_problem(error);
    }
    // The types of these errors are private to their libraries.
    match link.to_string().as_str() {
        "dns error" => Some("the host name cannot be resolved: correct it, or the DNS"),
        "invalid HTTP version parsed" => {
            Some("the server does not speak plain HTTP: use https://, or correct the port")
        }
        "connection closed before message completed" => {
            Some("the server closed it without a response: correct host and port")
        }
        _ => None,
    }
}

fn tls_problem(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidMessage(_) => {
            Some("the server does not speak TLS: use http://, or the port that speaks TLS")
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(
            "the certificate of the server is signed by an unknown authority: trust it with AWS_CA_BUNDLE or SSL_CERT_FILE",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some(
            "the certificate of the server is not valid for this host name: use a name that is in it",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Some("the certificate of the server has expired: renew it"),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
