//! `GET /v1/exports/{id}/download`: a short-lived link to the file.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::{HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use exports_database::{FileLookup, file_key};
use exports_domain::time::to_wire;
use exports_domain::{Export, ExportState};
use exports_wire::ManifestJson;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authorization_forwarding::forwards_authorization;
use crate::caching::no_store;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::file_link::LinkedObject;
use crate::manifest;
use crate::missing_file;
use crate::path::ExportPath;
use crate::query::Query;
use crate::request_id::RequestId;
use crate::state::AppState;

/// The maximum lifetime of a link.
const MAX_TTL: Duration = Duration::from_mins(15);

/// The text in the body of a redirect to a store, for users whose client fails.
const NOTE: &str = "Download the URL without the Authorization header. Most stores reject a client that \
                    forwards the header when it follows a redirect. Let such a client request the URL \
                    with ?redirect=false, and download it with a second request.";

/// A link to a file
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DownloadLink {
    /// The signed URL; download it with GET, without an API key
    #[schema(format = "uri")]
    url: String,
    /// When the link expires
    #[schema(format = DateTime, example = "2025-12-06T12:20:00Z")]
    expires_at: String,
    /// In a redirect to the store: what to do if the client cannot follow it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    note: Option<&'static str>,
}

/// A link to a file, or the manifest
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the schema of the response")]
pub(crate) enum DownloadBody {
    Link(DownloadLink),
    Manifest(Box<ManifestJson>),
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    redirect: bool,
    file: Option<WantedFile>,
}

#[derive(Debug, PartialEq, Eq)]
enum WantedFile {
    /// The file with this number.
    Number(u32),
    Manifest,
}

impl Wanted {
    fn parse(raw: Option<&str>) -> Result<Self, ApiError> {
        let mut query = Query::read(raw, &["redirect", "file"]);
        let redirect = query.value("redirect", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        });
        let file = query.value("file", |text| match text {
            "manifest" => Ok(WantedFile::Manifest),
            _ => match text.parse() {
                Ok(number @ 1..) => Ok(WantedFile::Number(number)),
                Ok(0) | Err(_) => {
                    Err("must be the number of a file, from 1, or manifest".to_owned())
                }
            },
        });
        query.finish()?;
        Ok(Self {
            redirect: redirect.unwrap_or(true),
            file,
        })
    }
}

/// The number of the file that is wanted, if the export has it.
fn number_of(export: &Export, wanted: Option<u32>) -> Result<u32, ApiError> {
    let files = match &export.state {
        ExportState::Completed(file) => file.files.as_deref(),
        _ => None,
    };
    let count = files.map_or(1, |files| u32::try_from(files.len()).unwrap_or(u32::MAX));
    match wanted {
        None if count == 1 => Ok(1),
        None => Err(ApiError::invalid(format!(
            "file must be given, because the export has {count} files: 1 to {count}, or manifest"
        ))),
        Some(number) if number <= count => Ok(number),
        Some(_) if count == 1 => Err(ApiError::invalid(
            "file must be 1 or manifest: the export has one file",
        )),
        Some(_) => Err(ApiError::invalid(format!(
            "file must be 1 to {count}, or manifest"
        ))),
    }
}

/// The lifetime of a link in whole seconds, because signatures have no fractions. `None` if less than one second remains.
fn ttl(remaining: Duration) -> Option<Duration> {
    let seconds = remaining.min(MAX_TTL).as_secs();
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The errors of requests for what a completed export has.
pub(crate) struct FileErrors;

impl DocumentedErrors for FileErrors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::ExportNotReady,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::ExportExpired,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Get a link to the file of an export
///
/// Redirects to a signed URL of the file. The URL needs no API key and is valid for at most 15 minutes,
/// never longer than the export's `expires_at`. If the file has disappeared from the store, the answer is
/// 410 and the export is `expired` from then on. The file is `text/csv; charset=utf-8`, unless
/// the options of the export say something else: JSON Lines is `application/x-ndjson`, Parquet `application/vnd.apache.parquet`,
/// and a compressed CSV or JSON Lines file `application/gzip` or `application/zstd`, without `Content-Encoding`.
///
/// A client must not send its `Authorization` header to that URL. The signature already authorizes the
/// request, and Amazon S3, for example, answers 400 to a request with both. curl, browsers and most
/// libraries remove the header when a redirect leads to another host. wget, aria2, Python's `urllib`,
/// Java's `HttpClient`, Perl's and Ruby's clients do not: request the link with `?redirect=false` and
/// download `data.url` with a second request, without the header. (If the API has a signing key, it
/// recognizes these clients by their `User-Agent` and redirects them to its own URL, which ignores the
/// header.)
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/download",
    tag = "Exports",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
            example = "01935abc-def0-7123-4567-890abcdef012"),
        ("redirect" = Option<bool>, Query,
            description = "`false` returns the link in a JSON body instead of a redirect"),
        ("file" = Option<String>, Query, example = "2",
            description = "The number of a file, from 1: required if the export has more than one. `manifest`: the manifest, in \
                the JSON body"),
    ),
    responses(
        (status = 302, description = "The file is at `Location`",
            body = Envelope<DownloadLink>,
            headers(("Location" = String, description = "The signed URL"))),
        (status = 200, description = "The link, if `redirect` is `false`; or the manifest, if `file` is `manifest`",
            body = Envelope<DownloadBody>),
        ErrorResponses::<FileErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn download_export(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    ExportPath(id): ExportPath,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = Wanted::parse(raw.as_deref())?;
    let share = state.pool_shares.take(&caller.project).await?;
    let found = state.database.find_file(Some(&caller.project), id).await?;
    drop(share);
    let (first_key, remaining, export) = match found {
        FileLookup::Ready {
            object_key,
            remaining,
            export,
        } => (object_key, remaining, export),
        FileLookup::NotReady(status) => return Err(ApiError::NotReady(status)),
        FileLookup::Expired => return Err(ApiError::Expired),
        FileLookup::Suspended => return Err(ApiError::ProjectSuspended),
        FileLookup::Missing => return Err(ApiError::ExportNotFound),
    };
    let number = match wanted.file {
        Some(WantedFile::Manifest) => {
            let manifest = manifest::respond(&state, request_id, &export)?;
            return Ok(([no_store()], manifest).into_response());
        }
        Some(WantedFile::Number(number)) => number_of(&export, Some(number))?,
        None => number_of(&export, None)?,
    };
    let ttl = ttl(remaining).ok_or(ApiError::Expired)?;
    let object = LinkedObject {
        export: id,
        number,
        key: file_key(&first_key, number),
    };
    if missing_file::is_missing(&state, &object.key).await {
        return Err(missing_file::expire(&state, id, &first_key).await);
    }
    let forwards_key = wanted.redirect && forwards_authorization(&headers);
    let mut link = link(&state, &object, ttl, forwards_key).await?;
    if !wanted.redirect {
        link.note = None;
        return Ok(([no_store()], Envelope::json(request_id, link)).into_response());
    }
    let location = HeaderValue::try_from(&link.url).expect("a URL is a valid header value");
    let headers = [no_store(), (LOCATION, location)];
    let body = Envelope::json(request_id, link);
    Ok((StatusCode::FOUND, headers, body).into_response())
}

/// Signs a link to the store. Signs a link to this API instead if the store signs no links, or if the client would send its API
/// key to the store and the API has a signing key.
async fn link(
    state: &AppState,
    object: &LinkedObject,
    ttl: Duration,
    forwards_key: bool,
) -> Result<DownloadLink, ApiError> {
    // In whole seconds, rounded down: a link never expires too late.
    let expires = state.clock.now().timestamp() + ttl.as_secs().cast_signed();
    let signer = state.signer.as_ref();
    let (url, note) = match signer.filter(|_| forwards_key || !state.store.signs()) {
        Some(signer) => {
            let url = object.url(&state.public_url, signer, expires);
            (url, None)
        }
        None => match state.store.sign(&object.key, ttl).await {
            Ok(Some(url)) => (url.into(), Some(NOTE)),
            // The start requires a signer for a store that does not sign.
            Ok(None) => unreachable!("the store signs no links and there is no signer"),
            Err(error) => return Err(ApiError::Store(error)),
        },
    };
    let expires_at = DateTime::from_timestamp(expires, 0).unwrap_or_default();
    Ok(DownloadLink {
        url,
        expires_at: to_wire(expires_at),
        note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_must_be_true_or_false() {
        for (raw, wanted) in [
            (None, true),
            (Some("redirect=true"), true),
            (Some("redirect=false"), false),
        ] {
            assert_eq!(Wanted::parse(raw).unwrap().redirect, wanted);
        }
        for bad in [
            "redirect=False",
            "redirect=0",
            "redirect=",
            "redirect=true&redirect=true",
            "a=1",
        ] {
            assert!(Wanted::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_must_be_a_number_or_manifest() {
        for (raw, wanted) in [
            (None, None),
            (Some("file=2"), Some(WantedFile::Number(2))),
            (Some("file=manifest"), Some(WantedFile::Manifest)),
        ] {
            assert_eq!(Wanted::parse(raw).unwrap().file, wanted);
        }
        for bad in [
            "file=",
            "file=0",
            "file=-1",
            "file=1.0",
            "file=x",
            "file=1&file=2",
        ] {
            assert!(Wanted::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_link_is_valid_for_whole_seconds_and_at_most_15_minutes() {
        assert_eq!(ttl(Duration::from_hours(1)), Some(MAX_TTL));
        assert_eq!(
            ttl(Duration::from_millis(1999)),
            Some(Duration::from_secs(1))
        );
        assert_eq!(ttl(Duration::from_millis(999)), None);
    }
}
