//! An error response of a store: status, code, message and region, and one line for an operator.
//!
//! S3, GCS and Azure send errors as XML with `Code` and `Message`. A HEAD has no body, so some stores send the code in a
//! header. The body of a rejected request may echo the signed request with its session token, so nothing else is kept.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::response::Parts;
use http::{StatusCode, Uri};
use object_store::client::HttpRequest;

use super::error_codes::{self, ErrorClass};
use super::request::describe;
use super::{region, success};
use crate::error::{Blame, ErrorKind};

/// The maximum length of a message, in characters.
const MAX_MESSAGE: usize = 300;
const CODE_HEADERS: [&str; 2] = ["x-ms-error-code", "x-minio-error-code"];

/// An error response.
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) status: StatusCode,
    /// Whether it comes from the cloud's metadata service.
    pub(crate) is_metadata: bool,
    pub(super) retry_after: Option<Duration>,
    request: String,
    code: Option<String>,
    message: Option<String>,
    /// The problem of a success response.
    problem: Option<&'static str>,
    bucket_region: Option<String>,
    bucket_endpoint: Option<String>,
    configured_region: Option<String>,
}

impl ErrorResponse {
    /// `None` for a success.
    pub(super) fn parse(
        request: &HttpRequest,
        head: &Parts,
        body: &[u8],
        configured_region: Option<&str>,
    ) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let problem = if head.status.is_success() {
            Some(success::problem(request, head, &text)?)
        } else {
            None
        };
        let header = |name: &str| head.headers.get(name)?.to_str().ok().map(str::to_owned);
        let code = element(&text, "Code").or_else(|| member(&text, "error"));
        let endpoint = element(&text, "Endpoint");
        let location = header(LOCATION.as_str()).and_then(|text| text.parse::<Uri>().ok());
        let bucket_region = region::of_headers(&head.headers)
            .or_else(|| element(&text, "Region"))
            .or_else(|| region::of_host(endpoint.as_deref()?))
            .or_else(|| region::of_host(location.as_ref()?.host()?));
        let retry_after = header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
        Some(Self {
            status: head.status,
            is_metadata: false,
            retry_after: retry_after.map(Duration::from_secs),
            request: describe(request),
            code: code.or_else(|| CODE_HEADERS.iter().find_map(|name| header(name))),
            message: element(&text, "Message").or_else(|| member(&text, "error_description")),
            problem,
            bucket_region,
            bucket_endpoint: endpoint.or_else(|| location?.authority().map(ToString::to_string)),
            configured_region: configured_region.map(str::to_owned),
        })
    }

    fn class(&self) -> ErrorClass {
        match error_codes::classify(self.status, self.code.as_deref()) {
            // A temporary redirect is retryable only within the region.
            ErrorClass::Retryable if self.status.is_redirection() && self.is_other_region() => {
                ErrorClass::WrongLocation
            }
            class => class,
        }
    }

    fn is_other_region(&self) -> bool {
        self.bucket_region.is_some()
            && self.configured_region.is_some()
            && self.bucket_region != self.configured_region
    }

    pub(super) fn is_retryable(&self) -> bool {
        self.class() == ErrorClass::Retryable
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self.class() {
            ErrorClass::Retryable => ErrorKind::Unavailable,
            ErrorClass::WrongLocation => ErrorKind::Refused,
            ErrorClass::Permanent(kind, _) => kind,
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self.class() {
            ErrorClass::WrongLocation if self.configured_region.is_some() => Blame::Region,
            ErrorClass::WrongLocation => Blame::Endpoint,
            ErrorClass::Permanent(_, Some(advice)) => advice.blame,
            ErrorClass::Retryable | ErrorClass::Permanent(_, None) => Blame::Url,
        }
    }

    /// One line: the problem, what to do, and the store's code and message.
    pub(crate) fn reason(&self) -> String {
        let reason = match (self.class(), self.problem) {
            (ErrorClass::WrongLocation, _) => self.wrong_location(),
            (ErrorClass::Permanent(_, Some(advice)), _) => advice.text.to_owned(),
            (ErrorClass::Permanent(ErrorKind::NotFound, None), _) => "not found".to_owned(),
            (ErrorClass::Retryable | ErrorClass::Permanent(_, None), Some(problem)) => {
                problem.to_owned()
            }
            (ErrorClass::Retryable | ErrorClass::Permanent(_, None), None) => {
                format!("the store responded with {}", self.status)
            }
        };
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => format!("{reason} ({code}: {message})"),
            (Some(code), None) => format!("{reason} ({code})"),
            (None, _) => reason,
        }
    }

    fn wrong_location(&self) -> String {
        let Some(configured) = &self.configured_region else {
            let target = self.bucket_endpoint.as_deref();
            let target = target.unwrap_or("another address");
            return format!("the store redirects the request to {target}: correct its address");
        };
        match (&self.bucket_region, &self.bucket_endpoint) {
            (Some(region), _) if self.is_other_region() => format!(
                "the bucket is in region {region}, but AWS_REGION is {configured}: set AWS_REGION={region}"
            ),
            (_, Some(endpoint)) => format!(
                "the bucket is at {endpoint}: correct AWS_REGION (now {configured}) or the endpoint variable"
            ),
            _ => format!(
                "the bucket is not in the region of AWS_REGION ({configured}): set AWS_REGION to the region of the bucket"
            ),
        }
    }
}

impl Error for ErrorResponse {}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} got the response {}", self.request, self.status)?;
        let details = [&self.code, &self.message].into_iter().flatten();
        details
            .map(String::as_str)
            .chain(self.problem)
            .try_for_each(|detail| write!(f, ": {detail}"))
    }
}

/// The text of a member of a JSON object: the errors of OAuth, which gives out tokens for credentials. They contain no quotes.
fn member(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\"{name}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let (value, _) = rest.strip_prefix('"')?.split_once('"')?;
    let value: String = value.chars().take(MAX_MESSAGE).collect();
    (!value.is_empty()).then_some(value)
}

/// The text of the first XML element with this name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once("</")?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let value: String = value.chars().take(MAX_MESSAGE).collect();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests;
