//! The export id in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use exports_domain::ExportId;

use crate::audit::Subject;
use crate::error::ApiError;

/// Any UUID. The export may not exist.
#[derive(Debug)]
pub(crate) struct ExportPath(pub(crate) ExportId);

impl<S: Send + Sync> FromRequestParts<S> for ExportPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Fails if the percent-encoded id is not UTF-8.
        let path = Path::<String>::from_request_parts(parts, state).await.ok();
        let id: ExportId = path
            .and_then(|Path(id)| id.parse().ok())
            .ok_or_else(|| ApiError::invalid("id must be a UUID"))?;
        tracing::Span::current().record("export.id", tracing::field::display(id));
        if let Some(subject) = parts.extensions.get::<Subject>() {
            subject.set_export(id);
        }
        Ok(Self(id))
    }
}
