//! `GET /files/{id}`: the file itself, out of a directory or relayed from a bucket. Whoever has the
//! link may have the file; there is no key.
//!
//! Owns the link's form and the answer; what is signed and how, and reading the file wherever it
//! lies, is `objects`'. Which links lead here, `download_export` decides.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use exports_database::FileLookup;
use exports_domain::error_line;
use exports_domain::{ExportFile, ExportId, ExportState};
use exports_objects::{
    CONTENT_TYPE as CSV, Download, ErrorKind, FileHeaders, LinkSigner, StoreError,
};
use futures_util::TryStreamExt;

use crate::error::ApiError;
use crate::path::ExportPath;
use crate::query::Query;
use crate::range::{self, Part};
use crate::state::AppState;

/// The link to a file, good until `expires` (Unix seconds).
pub(crate) fn url(
    public_url: &str,
    signer: &LinkSigner,
    id: ExportId,
    object_key: &str,
    expires: i64,
) -> String {
    let signature = signer.sign(&id.to_string(), object_key, expires);
    format!("{public_url}/files/{id}?expires={expires}&signature={signature}")
}

/// What a link carries.
#[derive(Debug, PartialEq, Eq)]
struct Ticket {
    expires: i64,
    signature: String,
}

impl Ticket {
    fn parse(raw: Option<&str>) -> Option<Self> {
        let query = Query::parse(raw, &["expires", "signature"]).ok()?;
        let expires = query.get("expires")?;
        // One spelling only: a link that opens a file is the link that was given out.
        let seconds = expires.parse::<i64>().ok();
        Some(Self {
            expires: seconds.filter(|it| *it >= 0 && it.to_string() == expires)?,
            signature: query.get("signature")?.to_owned(),
        })
    }
}

/// A file that the link opens, and what is known of it.
struct Found {
    object_key: String,
    facts: ExportFile,
}

/// Download a file
///
/// For files in a directory of the service, and for clients that send `Authorization` on over a
/// redirect (see the download of an export); other links lead to the store itself. `HEAD` is answered
/// too. An `Authorization` header is ignored.
#[utoipa::path(
    get,
    path = "/files/{id}",
    tag = "Files",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)"),
        ("expires" = i64, Query, description = "As in the link"),
        ("signature" = String, Query, description = "As in the link"),
        ("Range" = Option<String>, Header, description = "A single range of bytes; several are \
            answered with the whole file"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` or `Last-Modified` that \
            the range is for"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "text/csv; charset=utf-8",
            body = String, headers(
                ("Content-Disposition" = String, description = "The name to save it under"),
                ("Content-Length" = u64, description = "`file_size_bytes`"),
                ("ETag" = String, description = "Strong: `sha256` of the whole file, in quotes"),
                ("Last-Modified" = String, description = "`completed_at`"),
                ("Accept-Ranges" = String, description = "`bytes`"),
            )),
        (status = 206, description = "The part that `Range` asks for",
            content_type = "text/csv; charset=utf-8", body = String, headers(
                ("Content-Range" = String, description = "Which part of how many bytes"),
                ("ETag" = String, description = "Of the whole file"),
            )),
    ),
)]
pub(crate) async fn download_file(
    State(state): State<Arc<AppState>>,
    path: Result<ExportPath, ApiError>,
    RawQuery(raw): RawQuery,
    method: Method,
    request_headers: HeaderMap,
) -> Result<Response, ApiError> {
    let ExportPath(id) = path.map_err(|_| ApiError::ExportNotFound)?;
    let ticket = Ticket::parse(raw.as_deref()).ok_or(ApiError::InvalidSignature)?;
    let Found { object_key, facts } = find(&state, id, &ticket).await?;
    let tag = format!("\"{}\"", hex::encode(facts.sha256));
    let last_modified = facts
        .completed_at
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    // Ranges are defined for GET alone.
    let part = match method {
        Method::GET => range::part(&request_headers, facts.size_bytes, &tag, &last_modified),
        _ => Ok(Part::Whole),
    };
    let part = part.map_err(|_| ApiError::RangeNotSatisfiable {
        size: facts.size_bytes,
    })?;
    let wanted = match (&method, part) {
        (&Method::GET, Part::Whole) => Wanted::Whole,
        (&Method::GET, Part::Bytes { first, last }) => Wanted::Part(first..last + 1),
        _ => Wanted::Nothing,
    };
    let body = match open(&state, &object_key, wanted).await {
        Ok((size, body)) if size == facts.size_bytes => body,
        Ok((size, _)) => {
            let reason = format!("{size} bytes instead of {}", facts.size_bytes);
            return Err(ApiError::FileDamaged { id, reason });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // It may have been deleted or have expired since it was looked up.
            find(&state, id, &ticket).await?;
            let reason = error.to_string();
            return Err(ApiError::FileDamaged { id, reason });
        }
        Err(error) => return Err(ApiError::Store(error)),
    };
    let mut headers = headers(id, &tag, &last_modified);
    let (status, length) = match part {
        Part::Whole => (StatusCode::OK, facts.size_bytes),
        Part::Bytes { first, last } => {
            let of = format!("bytes {first}-{last}/{}", facts.size_bytes);
            headers.insert(CONTENT_RANGE, value(of));
            (StatusCode::PARTIAL_CONTENT, last - first + 1)
        }
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok((status, headers, body).into_response())
}

/// The file of a link that is good. A signature covers the object's key, so without the row
/// there is nothing to compare it with: an unknown id comes first.
async fn find(state: &AppState, id: ExportId, ticket: &Ticket) -> Result<Found, ApiError> {
    let (object_key, export) = match state.database.find_file(None, id).await? {
        FileLookup::Ready {
            object_key, export, ..
        } => (object_key, export),
        FileLookup::Expired => return Err(ApiError::Expired),
        // There never was a link to what is not ready.
        FileLookup::NotReady(_) | FileLookup::Missing => return Err(ApiError::ExportNotFound),
    };
    let id = id.to_string();
    let signed = state
        .signer
        .as_ref()
        .is_some_and(|signer| signer.verify(&id, &object_key, ticket.expires, &ticket.signature));
    if !signed {
        return Err(ApiError::InvalidSignature);
    }
    if state.clock.now().timestamp_millis() >= ticket.expires.saturating_mul(1000) {
        return Err(ApiError::Expired);
    }
    match export.state {
        ExportState::Completed(facts) => Ok(Found { object_key, facts }),
        ExportState::Pending
        | ExportState::Processing { .. }
        | ExportState::Failed { .. }
        | ExportState::Expired(_) => Err(ApiError::Expired),
    }
}

/// What of a file is sent.
enum Wanted {
    Nothing,
    Whole,
    Part(Range<u64>),
}

/// Opens a file: its size, and a body with what is wanted of it. A body that breaks off ends the
/// connection before the length that was promised: nobody takes it for the whole.
async fn open(
    state: &AppState,
    object_key: &str,
    wanted: Wanted,
) -> Result<(u64, Body), StoreError> {
    let part = match wanted {
        Wanted::Nothing => {
            let size = state.store.size(object_key).await?;
            let size = size.ok_or_else(StoreError::not_found)?;
            return Ok((size, Body::empty()));
        }
        Wanted::Whole => None,
        Wanted::Part(part) => Some(part),
    };
    let Download { size, bytes } = state.store.read(object_key, part).await?;
    let span = tracing::Span::current();
    let bytes = bytes.inspect_err(move |error| {
        let error = error_line(error);
        span.in_scope(|| tracing::error!(error, "a file's stream broke off"));
    });
    Ok((size, Body::from_stream(bytes)))
}

fn headers(id: ExportId, tag: &str, last_modified: &str) -> HeaderMap {
    let name = FileHeaders::attachment(&format!("export-{id}.csv"));
    let fixed = |name: HeaderName, text| (name, HeaderValue::from_static(text));
    HeaderMap::from_iter([
        fixed(CONTENT_TYPE, CSV),
        (CONTENT_DISPOSITION, value(name.content_disposition())),
        fixed(ACCEPT_RANGES, "bytes"),
        (ETAG, value(tag.to_owned())),
        (LAST_MODIFIED, value(last_modified.to_owned())),
        fixed(X_CONTENT_TYPE_OPTIONS, "nosniff"),
        fixed(CACHE_CONTROL, "private, no-store"),
    ])
}

/// Of texts that we wrote ourselves, out of digits, dates and plain names.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII is a header's value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let signer = LinkSigner::new(&[7; 32]);
        let id = ExportId::generate();
        let url = url(
            "https://example.com",
            &signer,
            id,
            "proj_a/b/c.csv",
            1_790_000_000,
        );
        let (path, query) = url.split_once('?').unwrap();
        assert_eq!(path, format!("https://example.com/files/{id}"));
        let ticket = Ticket::parse(Some(query)).unwrap();
        assert_eq!(ticket.expires, 1_790_000_000);
        assert!(signer.verify(
            &id.to_string(),
            "proj_a/b/c.csv",
            ticket.expires,
            &ticket.signature
        ));
    }

    #[test]
    fn a_link_has_both_parameters_once_and_no_other() {
        for bad in [
            "",
            "expires=1",
            "signature=a",
            "expires=&signature=a",
            "expires=1&signature=",
            "expires=1&expires=1&signature=a",
            "expires=1&signature=a&x=1",
            "expires=-1&signature=a",
            "expires=%2B1&signature=a",
            "expires=01&signature=a",
            "expires=99999999999999999999&signature=a",
        ] {
            assert_eq!(Ticket::parse(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_file_is_saved_under_its_export_s_name() {
        let id: ExportId = "01935abc-def0-7123-4567-890abcdef012".parse().unwrap();
        let headers = headers(id, "\"ab\"", "Sat, 06 Dec 2025 12:05:00 GMT");
        assert_eq!(
            headers[CONTENT_DISPOSITION],
            "attachment; filename=\"export-01935abc-def0-7123-4567-890abcdef012.csv\""
        );
        assert_eq!(headers[CONTENT_TYPE], "text/csv; charset=utf-8");
    }
}
