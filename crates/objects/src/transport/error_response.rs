//! A store's answer that is no success, read once: status, code, message and region, and one line for an operator.
//!
//! S3, GCS and Azure answer errors as XML with `Code` and `Message`; a HEAD has no body, and some stores tell the code in a header.
//! Bodies of refused requests repeat the request that was signed, session token included: nothing else of them is kept.

use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::time::Duration;

use http::header::{AUTHORIZATION, ETAG, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use object_store::client::{HttpError, HttpRequest};

use super::error_codes::{self, Meaning};
use super::redirect::region_of;
use crate::error::ErrorKind;

/// What is kept of a message, in characters.
const MESSAGE: usize = 300;
const REGION: &str = "x-amz-bucket-region";
const CODE_HEADERS: [&str; 2] = ["x-ms-error-code", "x-minio-error-code"];

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) is_metadata: bool,
    pub(super) wanted_pause: Option<Duration>,
    request: String,
    code: Option<String>,
    message: Option<String>,
    /// What is wrong with a success.
    garbled: Option<&'static str>,
    /// Where the bucket is, and where we look for it.
    region: Option<String>,
    endpoint: Option<String>,
    our_region: Option<String>,
}

impl Answer {
    /// `None` if it is a success.
    pub(super) fn failed(
        request: &HttpRequest,
        head: &Parts,
        body: &[u8],
        our_region: Option<&str>,
    ) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let garbled = if head.status.is_success() {
            Some(garbled(request, head, &text)?)
        } else {
            None
        };
        let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let code = element(&text, "Code");
        let endpoint = element(&text, "Endpoint");
        let location = header("location");
        let location = location.and_then(|location| location.parse::<Uri>().ok());
        let region = bucket_region(&head.headers)
            .or_else(|| element(&text, "Region"))
            .or_else(|| region_of(endpoint.as_deref()?))
            .or_else(|| region_of(location.as_ref()?.host()?));
        let wanted_pause = head.headers.get(RETRY_AFTER);
        Some(Self {
            status: head.status,
            is_metadata: false,
            wanted_pause: wanted_pause
                .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
                .map(Duration::from_secs),
            request: described(request),
            code: code.or_else(|| CODE_HEADERS.iter().find_map(|name| header(name))),
            message: element(&text, "Message"),
            garbled,
            region,
            endpoint: endpoint.or_else(|| location?.authority().map(ToString::to_string)),
            our_region: our_region.map(str::to_owned),
        })
    }

    fn meaning(&self) -> Meaning {
        match error_codes::of(self.status, self.code.as_deref()) {
            // A passing redirect within the region passes, one to another does not.
            Meaning::Passing if self.status.is_redirection() && self.is_another_region() => {
                Meaning::Elsewhere
            }
            meaning => meaning,
        }
    }

    fn is_another_region(&self) -> bool {
        self.region.is_some() && self.our_region.is_some() && self.region != self.our_region
    }

    pub(super) fn passes(&self) -> bool {
        self.meaning() == Meaning::Passing
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self.meaning() {
            Meaning::Passing => ErrorKind::Unavailable,
            Meaning::Elsewhere => ErrorKind::Refused,
            Meaning::Lasting(kind, _) => kind,
        }
    }

    /// One line: what it is, what to do, and the store's own words.
    pub(crate) fn reason(&self) -> String {
        let what = match (self.meaning(), self.garbled) {
            (Meaning::Elsewhere, _) => self.elsewhere(),
            (Meaning::Lasting(_, Some(words)), _) => words.to_owned(),
            (Meaning::Lasting(ErrorKind::NotFound, None), _) => "not found".to_owned(),
            (Meaning::Passing | Meaning::Lasting(_, None), Some(garbled)) => garbled.to_owned(),
            (Meaning::Passing | Meaning::Lasting(_, None), None) => {
                format!("the store answered {}", self.status)
            }
        };
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => format!("{what} ({code}: {message})"),
            (Some(code), None) => format!("{what} ({code})"),
            (None, _) => what,
        }
    }

    fn elsewhere(&self) -> String {
        let Some(ours) = &self.our_region else {
            let there = self.endpoint.as_deref().unwrap_or("another address");
            return format!("the store sends the request to {there}: correct its address");
        };
        match (&self.region, &self.endpoint) {
            (Some(there), _) if self.is_another_region() => format!(
                "the bucket is in region {there}, AWS_REGION says {ours}: set AWS_REGION={there}"
            ),
            (_, Some(endpoint)) => format!(
                "the bucket is at {endpoint}: correct AWS_REGION (now {ours}) or the endpoint's variable"
            ),
            _ => format!(
                "the bucket is in another region than AWS_REGION says ({ours}): set AWS_REGION to the bucket's"
            ),
        }
    }
}

impl Error for Answer {}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was answered {}", self.request, self.status)?;
        let words = [&self.code, &self.message].into_iter().flatten();
        words
            .map(String::as_str)
            .chain(self.garbled)
            .try_for_each(|words| write!(f, ": {words}"))
    }
}

/// A request that got no whole answer.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) is_metadata: bool,
    pub(crate) host: String,
    request: String,
    source: HttpError,
}

impl Broken {
    pub(super) fn new(request: &HttpRequest, source: HttpError) -> Self {
        Self {
            is_metadata: false,
            host: authority(request.uri()),
            request: described(request),
            source,
        }
    }

    /// All but a request that could not even be built, or not be sent by the settings.
    pub(super) fn passes(&self) -> bool {
        let first: &(dyn Error + 'static) = &self.source;
        !successors(Some(first), |&link| link.source())
            .filter_map(|link| link.downcast_ref::<reqwest::Error>())
            .any(reqwest::Error::is_builder)
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: &(dyn Error + 'static) = &self.source;
        let root = successors(Some(first), |&link| link.source()).last();
        let root = root.unwrap_or(first);
        write!(f, "{} broke off: {root}", self.request)
    }
}

/// What is wrong with an answer that says that it is a success. S3 can find out that a completion fails after it has begun
/// to answer; a proxy can cut an answer off where it looks whole.
fn garbled(request: &HttpRequest, head: &Parts, text: &str) -> Option<&'static str> {
    if is_error(text) {
        return Some("the store answered an error inside a success");
    }
    // Others' requests, for credentials, have other answers.
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    let method = request.method();
    let is_part = method == Method::PUT && has("partNumber");
    let is_put = method == Method::PUT && query.is_empty() && is_signed_by_aws(request);
    if (is_part || is_put) && !head.headers.contains_key(ETAG) {
        return Some("the store's answer to a file or part has no ETag");
    }
    let root = match *method {
        Method::POST if has("uploads") => "InitiateMultipartUploadResult",
        Method::POST if has("uploadId") => "CompleteMultipartUploadResult",
        Method::GET if has("list-type") => "ListBucketResult",
        _ => return None,
    };
    let last_tag = text.trim_end().strip_suffix('>').unwrap_or_default();
    let is_whole = last_tag
        .rsplit('<')
        .next()
        .is_some_and(|tag| tag.contains(root));
    (!is_whole).then_some("the store's answer is cut off")
}

fn is_error(text: &str) -> bool {
    let mut rest = text.trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t']);
    if let Some(declared) = rest.strip_prefix("<?xml") {
        rest = declared
            .split_once("?>")
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    let name = rest.strip_prefix("<Error");
    name.is_some_and(|rest| rest.starts_with(['>', ' ']))
}

pub(super) fn is_signed_by_aws(request: &HttpRequest) -> bool {
    let signature = request.headers().get(AUTHORIZATION);
    signature.is_some_and(|signature| signature.as_bytes().starts_with(b"AWS4-"))
}

pub(super) fn bucket_region(headers: &HeaderMap) -> Option<String> {
    let region = headers.get(REGION)?.to_str().ok()?;
    (!region.is_empty()).then(|| region.to_owned())
}

pub(super) fn host(uri: &Uri) -> String {
    uri.host().unwrap_or_default().to_owned()
}

fn authority(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

/// With its query only where that is known to hold no secret: in Azure it can be a signature, a token for Amazon's login.
fn described(request: &HttpRequest) -> String {
    let (method, uri) = (request.method(), request.uri());
    if is_signed_by_aws(request) {
        return format!("{method} {uri}");
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    format!("{method} {scheme}://{}{}", authority(uri), uri.path())
}

/// The text of the first XML element with this name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once("</")?;
    let words = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: String = words.chars().take(MESSAGE).collect();
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests;
