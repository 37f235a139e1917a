//! `GET /files/{id}`: serves a file from a directory, or relays it from a bucket. The link is the authorization; there is no key.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use exports_database::{FileLookup, file_key};
use exports_domain::{ExportId, ExportState, ProjectId, error_line};
use exports_objects::{Download, ErrorKind, FileHeaders, StoreError};
use futures_util::TryStreamExt;

use crate::audit::Subject;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::file_link::SignedParameters;
use crate::file_readers::FileReader;
use crate::missing_file;
use crate::path::ExportPath;
use crate::range::{self, RequestedRange};
use crate::state::AppState;

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::Forbidden,
        ErrorCode::InvalidSignature,
        ErrorCode::NotFound,
        ErrorCode::ExportExpired,
        ErrorCode::RangeNotSatisfiable,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Download a file
///
/// For files in a directory of the service, and for clients that forward `Authorization` when they
/// follow a redirect (see the download of an export). All other links lead to the store. `HEAD` is
/// supported too. An `Authorization` header is ignored.
#[utoipa::path(
    get,
    path = "/files/{id}",
    tag = "Files",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)"),
        ("file" = Option<u32>, Query, description = "From the link, if the export is split"),
        ("expires" = i64, Query, description = "From the link"),
        ("signature" = String, Query, description = "From the link"),
        ("Range" = Option<String>, Header, description = "A single range of bytes; multiple \
            ranges return the whole file"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` or `Last-Modified` of \
            the file that the range belongs to"),
    ),
    responses(
        (status = 200, description = "The file, in the type of its format", content(
                (String = "text/csv; charset=utf-8"), (String = "application/x-ndjson"),
                (String = "application/vnd.apache.parquet"), (String = "application/gzip"),
                (String = "application/zstd"),
            ), headers(
                ("Content-Disposition" = String, description = "The file name"),
                ("Content-Length" = u64, description = "`file_size_bytes`"),
                ("ETag" = String, description = "Strong: `sha256` of the whole file, in quotes"),
                ("Last-Modified" = String, description = "`completed_at`"),
                ("Accept-Ranges" = String, description = "`bytes`"),
                ("Repr-Digest" = String, description = "`sha-256=:…:`: `sha256` of the whole file in \
                    Base64 (RFC 9530)"),
            )),
        (status = 206, description = "The requested range",
            content(
                (String = "text/csv; charset=utf-8"), (String = "application/x-ndjson"),
                (String = "application/vnd.apache.parquet"), (String = "application/gzip"),
                (String = "application/zstd"),
            ), headers(
                ("Content-Range" = String, description = "The range and the size of the file"),
                ("ETag" = String, description = "Of the whole file"),
                ("Repr-Digest" = String, description = "Of the whole file, not of the part"),
            )),
        ErrorResponses::<Errors>,
    ),
)]
pub(crate) async fn download_file(
    State(state): State<Arc<AppState>>,
    path: Result<ExportPath, ApiError>,
    RawQuery(raw): RawQuery,
    method: Method,
    subject: Option<Extension<Subject>>,
    request_headers: HeaderMap,
) -> Result<Response, ApiError> {
    let ExportPath(id) = path.map_err(|_| ApiError::ExportNotFound)?;
    let parameters = SignedParameters::parse(raw.as_deref()).ok_or(ApiError::InvalidSignature)?;
    let linked = find(&state, id, &parameters).await?;
    if let Some(Extension(subject)) = subject {
        subject.set_project(&linked.project);
    }
    let size = linked.size_bytes;
    let sha256 = linked.sha256;
    let tag = format!("\"{}\"", hex::encode(sha256));
    let completed_at = linked.completed_at;
    let last_modified = completed_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    // Ranges are defined only for GET.
    let range = match method {
        Method::GET => range::parse(&request_headers, size, &tag, &last_modified),
        _ => Ok(RequestedRange::Full),
    };
    let range = range.map_err(|_| ApiError::RangeNotSatisfiable { size })?;
    let content = (method == Method::GET).then_some(range);
    let reader = state
        .file_readers
        .enter(id)
        .ok_or(ApiError::TooManyReaders)?;
    let body = match open(&state, &linked, content, reader).await {
        Ok(body) => body,
        Err(OpenError::NotFound(reason)) => {
            // The export may have been deleted or have expired since the query.
            find(&state, id, &parameters).await?;
            let key = &linked.object_key;
            if missing_file::is_missing(&state, key).await {
                return Err(missing_file::expire(&state, id, &linked.first_key).await);
            }
            return Err(ApiError::FileDamaged { id, reason });
        }
        Err(OpenError::WrongSize(reason)) => return Err(ApiError::FileDamaged { id, reason }),
        Err(OpenError::Store(error)) => return Err(ApiError::Store(error)),
    };
    let mut headers = headers(&linked.headers, &tag, &last_modified, sha256);
    let (status, length) = match range {
        RequestedRange::Full => (StatusCode::OK, size),
        RequestedRange::Bytes { first, last } => {
            headers.insert(CONTENT_RANGE, value(format!("bytes {first}-{last}/{size}")));
            (StatusCode::PARTIAL_CONTENT, last - first + 1)
        }
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok((status, headers, body).into_response())
}

/// The file of a valid link.
struct LinkedFile {
    project: ProjectId,
    object_key: String,
    /// The key of the export's first file.
    first_key: String,
    size_bytes: u64,
    sha256: [u8; 32],
    completed_at: DateTime<Utc>,
    headers: FileHeaders,
}

/// Verifies a link and finds its file. Nothing is looked up for a link with an invalid signature or one that has expired.
async fn find(
    state: &AppState,
    id: ExportId,
    parameters: &SignedParameters,
) -> Result<LinkedFile, ApiError> {
    let signer = state.signer.as_ref();
    let object = signer.and_then(|signer| parameters.verify(signer, id));
    let object = object.ok_or(ApiError::InvalidSignature)?;
    if state.clock.now().timestamp_millis() >= parameters.expires.saturating_mul(1000) {
        return Err(ApiError::Expired);
    }
    let (first_key, export) = match state.database.find_file(None, id).await? {
        FileLookup::Ready {
            object_key, export, ..
        } => (object_key, export),
        FileLookup::Expired => return Err(ApiError::Expired),
        FileLookup::Suspended => return Err(ApiError::ProjectSuspended),
        // An export that is not completed never had a link.
        FileLookup::NotReady(_) | FileLookup::Missing => return Err(ApiError::ExportNotFound),
    };
    let number = parameters.file;
    let object_key = file_key(&first_key, number);
    if !object.is(&object_key) {
        return Err(ApiError::InvalidSignature);
    }
    let ExportState::Completed(whole) = export.state else {
        return Err(ApiError::Expired);
    };
    let options = &export.options;
    let (name, size_bytes, sha256) = match &whole.files {
        None => (options.file_name(id), whole.size_bytes, whole.sha256),
        Some(files) => {
            let file = files
                .get(number as usize - 1)
                .ok_or(ApiError::InvalidSignature)?;
            let name = options.split_file_name(id, number);
            (name, file.size_bytes, file.sha256)
        }
    };
    Ok(LinkedFile {
        project: export.project,
        object_key,
        first_key,
        size_bytes,
        sha256,
        completed_at: whole.completed_at,
        headers: FileHeaders::attachment(&name, options.media_type()),
    })
}

enum OpenError {
    NotFound(String),
    /// The size of the object differs from the row.
    WrongSize(String),
    Store(StoreError),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound(error.to_string()),
            _ => Self::Store(error),
        }
    }
}

/// Opens the file and checks its size. Without `content`, the body is empty. A stream that fails closes the connection before `Content-Length` bytes, so the client
/// detects the incomplete file.
async fn open(
    state: &AppState,
    linked: &LinkedFile,
    content: Option<RequestedRange>,
    reader: FileReader,
) -> Result<Body, OpenError> {
    let key = &linked.object_key;
    let range = match content {
        None => {
            let size = state.store.size(key).await?;
            check_size(size.ok_or_else(StoreError::not_found)?, linked)?;
            return Ok(Body::empty());
        }
        Some(RequestedRange::Full) => None,
        Some(RequestedRange::Bytes { first, last }) => Some(first..last + 1),
    };
    let Download { size, bytes } = state.store.read(key, range).await?;
    check_size(size, linked)?;
    let span = tracing::Span::current();
    let bytes = bytes.inspect_err(move |error| {
        // The reader lives as long as the stream.
        let _ = &reader;
        let error = error_line(error);
        span.in_scope(|| tracing::error!(error, "reading the file failed during a download"));
    });
    Ok(Body::from_stream(bytes))
}

fn check_size(size: u64, linked: &LinkedFile) -> Result<(), OpenError> {
    let expected = linked.size_bytes;
    if size == expected {
        Ok(())
    } else {
        let reason = format!("it has {size} bytes instead of {expected}");
        Err(OpenError::WrongSize(reason))
    }
}

fn headers(file: &FileHeaders, tag: &str, last_modified: &str, sha256: [u8; 32]) -> HeaderMap {
    let fixed = |name: HeaderName, text| (name, HeaderValue::from_static(text));
    HeaderMap::from_iter([
        fixed(CONTENT_TYPE, file.content_type()),
        (CONTENT_DISPOSITION, value(file.content_disposition())),
        fixed(ACCEPT_RANGES, "bytes"),
        (ETAG, value(tag.to_owned())),
        (LAST_MODIFIED, value(last_modified.to_owned())),
        (REPR_DIGEST, value(repr_digest(sha256))),
    ])
}

/// The digest of the whole file (RFC 9530), also of a response with a part of it.
fn repr_digest(sha256: [u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256))
}

/// A header value from our own text of digits, dates and plain names.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII is a valid header value")
}

#[cfg(test)]
mod tests {
    use exports_domain::FileOptions;

    use super::*;

    #[test]
    fn a_file_has_its_name_its_type_and_its_digest() {
        let id: ExportId = "01935abc-def0-7123-4567-890abcdef012".parse().unwrap();
        let plain = FileOptions::default();
        let file = FileHeaders::attachment(&plain.file_name(id), plain.media_type());
        let headers = headers(&file, "\"ab\"", "Sat, 06 Dec 2025 12:05:00 GMT", [0; 32]);
        assert_eq!(
            headers[CONTENT_DISPOSITION],
            "attachment; filename=\"export-01935abc-def0-7123-4567-890abcdef012.csv\""
        );
        assert_eq!(headers[CONTENT_TYPE], "text/csv; charset=utf-8");
        let digest = headers[REPR_DIGEST].to_str().unwrap();
        assert_eq!(digest, format!("sha-256=:{}=:", "A".repeat(43)));
    }
}
