//! `GET /v1/exports/{id}/download`: a link to the file, for a short time.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use exports_database::FileLookup;
use exports_domain::time::to_wire;
use exports_domain::{ExportId, ProjectId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authorization_forwarding::keeps_authorization;
use crate::download_file;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::path::ExportPath;
use crate::query::Query;
use crate::request_id::RequestId;
use crate::state::AppState;

/// How long a link lives at most.
const LONGEST_LIFE: Duration = Duration::from_mins(15);

/// What a redirect to a store says to whoever reads its body, as one does whose client fails.
const NOTE: &str = "Download the URL without the Authorization header. A client that sends the header \
                    on when it follows a redirect is refused by most stores: let it ask for the URL \
                    with ?redirect=false instead, and download it with a second request.";

/// A link to a file
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DownloadLink {
    /// Needs no key; download with GET
    #[schema(format = "uri")]
    url: String,
    /// Until when the link is good
    #[schema(format = DateTime, example = "2025-12-06T12:20:00Z")]
    expires_at: String,
    /// With a redirect to the store: what to do if the client cannot follow it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    note: Option<&'static str>,
}

/// Whether the answer is a redirect; it is, unless the client asks for the link itself.
fn wants_redirect(raw: Option<&str>) -> Result<bool, ApiError> {
    match Query::parse(raw, &["redirect"])?.get("redirect") {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(ApiError::invalid("redirect must be true or false")),
    }
}

/// In whole seconds, as signatures have them; `None` if there is not one left.
fn life(remaining: Duration) -> Option<Duration> {
    let seconds = remaining.min(LONGEST_LIFE).as_secs();
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Download export
///
/// Redirects to the file, at a URL that was signed for this request, needs no key, and is good for
/// 15 minutes at most and never past the export's `expires_at`. The file is
/// `text/csv; charset=utf-8`.
///
/// A client must not send its `Authorization` header to that URL: the signature is a way of
/// authorization by itself, and Amazon's S3, for one, answers 400 to a request with two. curl, browsers
/// and most libraries remove the header when a redirect leads to another host. wget, aria2, Python's
/// `urllib`, Java's `HttpClient`, Perl's and Ruby's do not: let these ask with `?redirect=false` and
/// download `data.url` by a second request, without the header. (Where the API has a signing key, it
/// knows them by their `User-Agent` and redirects them to a URL of its own, which ignores the header.)
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/download",
    tag = "Exports",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
            example = "01935abc-def0-7123-4567-890abcdef012"),
        ("redirect" = Option<bool>, Query,
            description = "`false` for the link in a JSON body instead of a redirect"),
    ),
    responses(
        (status = 302, description = "The file is at `Location`",
            body = Envelope<DownloadLink>,
            headers(("Location" = String, description = "The signed URL"))),
        (status = 200, description = "The link, if `redirect` is `false`",
            body = Envelope<DownloadLink>),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn download_export(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(project): Extension<ProjectId>,
    ExportPath(id): ExportPath,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let redirect = wants_redirect(raw.as_deref())?;
    let (object_key, remaining) = match state.database.find_file(Some(&project), id).await? {
        FileLookup::Ready {
            object_key,
            remaining,
            ..
        } => (object_key, remaining),
        FileLookup::NotReady(status) => return Err(ApiError::NotReady(status)),
        FileLookup::Expired => return Err(ApiError::Expired),
        FileLookup::Missing => return Err(ApiError::ExportNotFound),
    };
    let life = life(remaining).ok_or(ApiError::Expired)?;
    let keeps_key = redirect && keeps_authorization(&headers);
    let mut link = link(&state, id, &object_key, life, keeps_key).await?;
    let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !redirect {
        link.note = None;
        return Ok(([no_store], Envelope::json(request_id, link)).into_response());
    }
    let location = HeaderValue::try_from(&link.url).expect("a URL is a header's value");
    let headers = [no_store, (LOCATION, location)];
    let body = Envelope::json(request_id, link);
    Ok((StatusCode::FOUND, headers, body).into_response())
}

/// A link of the store's own, or one of this API's where the store signs none, or where the client
/// would show its key to the store and the API has what it takes to sign.
async fn link(
    state: &AppState,
    id: ExportId,
    object_key: &str,
    life: Duration,
    keeps_key: bool,
) -> Result<DownloadLink, ApiError> {
    // Signatures know whole seconds only: a link ends early rather than late.
    let expires = state.clock.now().timestamp() + life.as_secs().cast_signed();
    let signer = state.signer.as_ref();
    let (url, note) = match signer.filter(|_| keeps_key || !state.store.signs()) {
        Some(signer) => {
            let url = download_file::url(&state.public_url, signer, id, object_key, expires);
            (url, None)
        }
        None => match state.store.sign(object_key, life).await {
            Ok(Some(url)) => (url.into(), Some(NOTE)),
            // Start made sure that there is a signer for a store that does not sign.
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
    fn redirect_is_true_or_false() {
        for (raw, wanted) in [
            (None, true),
            (Some("redirect=true"), true),
            (Some("redirect=false"), false),
        ] {
            assert_eq!(wants_redirect(raw).unwrap(), wanted);
        }
        for bad in [
            "redirect=False",
            "redirect=0",
            "redirect=",
            "redirect=true&redirect=true",
            "a=1",
        ] {
            assert!(wants_redirect(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_link_lives_for_whole_seconds_and_15_minutes_at_most() {
        assert_eq!(life(Duration::from_hours(1)), Some(LONGEST_LIFE));
        assert_eq!(
            life(Duration::from_millis(1999)),
            Some(Duration::from_secs(1))
        );
        assert_eq!(life(Duration::from_millis(999)), None);
    }
}
