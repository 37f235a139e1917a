//! The webhook id in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use exports_domain::WebhookId;

use crate::audit::Subject;
use crate::error::ApiError;

/// Any UUID. The webhook may not exist.
#[derive(Debug)]
pub(crate) struct WebhookPath(pub(crate) WebhookId);

impl<S: Send + Sync> FromRequestParts<S> for WebhookPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Fails if the percent-encoded id is not UTF-8.
        let path = Path::<String>::from_request_parts(parts, state).await.ok();
        let id: WebhookId = path
            .and_then(|Path(id)| id.parse().ok())
            .ok_or_else(|| ApiError::invalid("id must be a UUID"))?;
        if let Some(subject) = parts.extensions.get::<Subject>() {
            subject.set_webhook(id);
        }
        Ok(Self(id))
    }
}
