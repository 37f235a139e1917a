//! What an audited request is about, as far as it is known.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use exports_domain::{ExportId, KeyId, ProjectId, WebhookId};

use crate::caller::Caller;

/// An extension of a request. The layers and the handler fill it in, so that it is complete even if the request is abandoned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    key: OnceLock<KeyId>,
    project: OnceLock<ProjectId>,
    export: Mutex<Option<ExportId>>,
    webhook: OnceLock<WebhookId>,
}

impl Subject {
    /// Sets key and project. Only the first call has an effect.
    pub(crate) fn set_caller(&self, caller: &Caller) {
        self.0.key.set(caller.key).ok();
        self.set_project(&caller.project);
    }

    pub(crate) fn set_project(&self, project: &ProjectId) {
        self.0.project.set(project.clone()).ok();
    }

    pub(crate) fn set_export(&self, export: ExportId) {
        *self.0.export.lock().unwrap_or_else(PoisonError::into_inner) = Some(export);
    }

    pub(crate) fn set_webhook(&self, webhook: WebhookId) {
        self.0.webhook.set(webhook).ok();
    }

    pub(crate) fn webhook(&self) -> Option<WebhookId> {
        self.0.webhook.get().copied()
    }

    pub(crate) fn key(&self) -> Option<KeyId> {
        self.0.key.get().copied()
    }

    pub(crate) fn project(&self) -> Option<&ProjectId> {
        self.0.project.get()
    }

    pub(crate) fn export(&self) -> Option<ExportId> {
        *self.0.export.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
