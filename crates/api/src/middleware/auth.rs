//! Authentication by API key.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::api_key_cache::KeyHash;
use crate::audit::{Refusal, Subject};
use crate::body;
use crate::caller::Access;
use crate::error::ApiError;
use crate::limits::Confirmed;
use crate::state::AppState;

/// The layer. It rejects requests without a valid key and puts the [`Caller`](crate::caller::Caller) into the request's extensions.
pub(crate) async fn require_key(
    State(state): State<Arc<AppState>>,
    mut request: Request,
) -> Result<Request, ApiError> {
    let subject = request.extensions().get().cloned().unwrap_or_default();
    let access = match bearer_key(request.headers()) {
        Some(key) => authenticate(&state, key).await?.ok_or(Refusal::InvalidKey),
        None => Err(Refusal::NoKey),
    };
    let caller = match access {
        Ok(access) if access.suspended => {
            let project = access.caller.project.as_str();
            tracing::Span::current().record("project.id", project);
            let refused = Subject::default();
            refused.set_caller(&access.caller);
            refuse(&state, request, &refused, Refusal::ProjectSuspended).await;
            return Err(ApiError::ProjectSuspended);
        }
        Ok(access) => access.caller,
        Err(refusal) => {
            refuse(&state, request, &subject, refusal).await;
            return Err(ApiError::Unauthorized);
        }
    };
    tracing::Span::current().record("project.id", caller.project.as_str());
    subject.set_caller(&caller);
    request.extensions_mut().insert(caller);
    Ok(request)
}

async fn refuse(state: &AppState, request: Request, subject: &Subject, refusal: Refusal) {
    let origin = state.audit.origin(&request);
    state.audit.refused(origin, subject, refusal);
    body::discard(request).await;
    state.refusal_delay.wait().await;
}

/// The access of the key, from the cache or the database.
async fn authenticate(state: &AppState, key: &str) -> Result<Option<Access>, ApiError> {
    let hash = KeyHash::of(key);
    if let Some(access) = state.api_keys.get(hash, Instant::now()) {
        return Ok(Some(access));
    }
    let confirmed = state
        .key_lookups
        .look_up(&state.database, hash, key)
        .await?;
    Ok(confirmed.map(|confirmed| {
        let Confirmed {
            authenticated,
            queried_at,
        } = confirmed;
        state.api_keys.insert(hash, authenticated, queried_at)
    }))
}

/// The key, if there is exactly one header and the key is well-formed. Other keys need no database query.
fn bearer_key(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    let key = key.trim_start_matches(' ');
    let digits = key.strip_prefix("exk_")?;
    let well_formed = scheme.eq_ignore_ascii_case("bearer")
        && digits.len() == 64
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    well_formed.then_some(key)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        let key = format!("exk_{}", "0a".repeat(32));
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
            let value = format!("{scheme} {key}");
            assert_eq!(
                bearer_key(&headers(&[value.as_bytes()])),
                Some(key.as_str())
            );
        }
    }

    #[test]
    fn values_without_one_valid_bearer_key_are_rejected() {
        let key = format!("exk_{}", "0a".repeat(32));
        let good = format!("Bearer {key}");
        for bad in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            key.clone(),
            format!("Basic {key}"),
            format!("Bearer{key}"),
            format!("Bearer {key}0"),
            format!("Bearer {key} x"),
            format!("Bearer {}", key.replace("exk_", "key_")),
            format!("Bearer exk_{}", "0g".repeat(32)),
        ] {
            assert_eq!(bearer_key(&headers(&[bad.as_bytes()])), None, "{bad}");
        }
        assert_eq!(bearer_key(&headers(&[])), None);
        assert_eq!(bearer_key(&headers(&["Bearer é".as_bytes()])), None);
        assert_eq!(
            bearer_key(&headers(&[good.as_bytes(), good.as_bytes()])),
            None
        );
    }
}
