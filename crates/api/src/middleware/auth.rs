//! Who asks: the API key of a request and the project that it opens.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use exports_domain::ProjectId;

use crate::api_key_cache::KeyHash;
use crate::body;
use crate::error::ApiError;
use crate::state::AppState;

/// The layer: lets nobody pass without a good key, and leaves the key's `ProjectId` in the
/// request's extensions.
pub(crate) async fn require_key(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let project = match key_of(request.headers()) {
        Some(key) => project_of(&state, key).await?,
        None => None,
    };
    let Some(project) = project else {
        body::discard(request).await;
        return Err(ApiError::Unauthorized);
    };
    tracing::Span::current().record("project.id", project.as_str());
    request.extensions_mut().insert(project);
    Ok(next.run(request).await)
}

/// What the key opens, by what was known a moment ago or by asking the database.
async fn project_of(state: &AppState, key: &str) -> Result<Option<ProjectId>, ApiError> {
    let (hash, now) = (KeyHash::of(key), Instant::now());
    if let Some(project) = state.keys.get(hash, now) {
        return Ok(Some(project));
    }
    let project = state.database.authenticate(key).await?;
    if let Some(project) = &project {
        state.keys.insert(hash, project.clone(), now);
    }
    Ok(project)
}

/// The key, if there is exactly one and it has the form of one; the rest is not worth asking the
/// database for.
fn key_of(headers: &HeaderMap) -> Option<&str> {
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
    fn a_key_is_found_whatever_the_scheme_s_case() {
        let key = format!("exk_{}", "0a".repeat(32));
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
            let value = format!("{scheme} {key}");
            assert_eq!(key_of(&headers(&[value.as_bytes()])), Some(key.as_str()));
        }
    }

    #[test]
    fn anything_else_is_no_key() {
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
            assert_eq!(key_of(&headers(&[bad.as_bytes()])), None, "{bad}");
        }
        assert_eq!(key_of(&headers(&[])), None);
        assert_eq!(key_of(&headers(&["Bearer é".as_bytes()])), None);
        assert_eq!(key_of(&headers(&[good.as_bytes(), good.as_bytes()])), None);
    }
}
