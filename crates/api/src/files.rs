//! `GET /files/{id}`: the file itself, where the store is a directory. Whoever has the link may
//! have the file; there is no key.
//!
//! Owns the link's form and the answer; what is signed and how, is `objects`'.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use exports_domain::{ExportFile, ExportId, ExportState};
use exports_objects::{CONTENT_TYPE as CSV, FileHeaders, LinkSigner};
use exports_storage::FileLookup;
use futures_util::TryStreamExt;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::error::ApiError;
use crate::path::ExportPath;
use crate::query::Query;
use crate::range::{self, Part};
use crate::state::AppState;

/// How much of a file is in memory at a time, per request.
const CHUNK: usize = 256 * 1024;

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
/// Only where files lie in a directory of the service; the links of other stores lead to the store
/// itself. `HEAD` is answered too. An `Authorization` header is ignored.
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
    let file = open(&state, id, &object_key, &facts, &ticket).await?;
    let mut headers = headers(id, &tag, &last_modified);
    let (status, first, length) = match part {
        Part::Whole => (StatusCode::OK, 0, facts.size_bytes),
        Part::Bytes { first, last } => {
            let of = format!("bytes {first}-{last}/{}", facts.size_bytes);
            headers.insert(CONTENT_RANGE, value(of));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    let body = stream(file, first, length)
        .await
        .map_err(|error| damaged(id, error.to_string()))?;
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

async fn open(
    state: &AppState,
    id: ExportId,
    object_key: &str,
    facts: &ExportFile,
    ticket: &Ticket,
) -> Result<File, ApiError> {
    let opened = match state.store.local_file(object_key).await {
        Ok(opened) => opened,
        Err(error) if error.kind() == exports_objects::ErrorKind::NotFound => {
            // It may have been deleted or have expired since it was looked up.
            find(state, id, ticket).await?;
            return Err(damaged(id, error.to_string()));
        }
        Err(error) => return Err(ApiError::Store(error)),
    };
    if opened.size != facts.size_bytes {
        let reason = format!("{} bytes instead of {}", opened.size, facts.size_bytes);
        return Err(damaged(id, reason));
    }
    Ok(opened.file)
}

fn damaged(id: ExportId, reason: String) -> ApiError {
    ApiError::FileDamaged { id, reason }
}

async fn stream(mut file: File, first: u64, length: u64) -> std::io::Result<Body> {
    file.seek(std::io::SeekFrom::Start(first)).await?;
    let span = tracing::Span::current();
    let bytes = ReaderStream::with_capacity(file.take(length), CHUNK).inspect_err(move |error| {
        span.in_scope(|| tracing::error!(%error, "a file's stream broke off"));
    });
    Ok(Body::from_stream(bytes))
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
