//! The audit trail: one log line (`target: "audit"`) for each create, cancel, retry, delete, link, download and change of a webhook, and for refused authentication.
//!
//! A line names who did what from where, and how it ended. It never contains a key, a signature or text of the client. Each line is
//! complete without the fields of the request's span, so a collector needs only the top level of the object.

mod refusals;
mod subject;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, Method};
use axum::response::Response;
use exports_service::settings::Networks;

use crate::client_address::client_address;
use crate::error::ApiError;
use crate::request_id::RequestId;

pub(crate) use refusals::Refusal;
use refusals::Refusals;
pub(crate) use subject::Subject;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Writes the audit trail.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    trusted_proxies: Networks,
    refusals: Arc<Refusals>,
}

/// What a request does, if it is in the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
pub(crate) enum Action {
    #[strum(serialize = "export.create")]
    CreateExport,
    #[strum(serialize = "export.cancel")]
    CancelExport,
    #[strum(serialize = "export.retry")]
    RetryExport,
    #[strum(serialize = "export.delete")]
    DeleteExport,
    #[strum(serialize = "link.create")]
    CreateLink,
    #[strum(serialize = "file.download")]
    DownloadFile,
    #[strum(serialize = "webhook.create")]
    CreateWebhook,
    #[strum(serialize = "webhook.delete")]
    DeleteWebhook,
    #[strum(serialize = "webhook.rotate")]
    RotateWebhook,
    #[strum(serialize = "webhook.test")]
    TestWebhook,
    #[strum(serialize = "webhook.enable")]
    EnableWebhook,
}

impl Action {
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let route = request.extensions().get::<MatchedPath>()?.as_str();
        match (request.method(), route) {
            (&Method::POST, "/v1/exports") => Some(Self::CreateExport),
            (&Method::POST, "/v1/exports/{id}/cancel") => Some(Self::CancelExport),
            (&Method::POST, "/v1/exports/{id}/retry") => Some(Self::RetryExport),
            (&Method::DELETE, "/v1/exports/{id}") => Some(Self::DeleteExport),
            (&Method::GET | &Method::HEAD, "/v1/exports/{id}/download") => Some(Self::CreateLink),
            (&Method::GET, "/files/{id}") => Some(Self::DownloadFile),
            (&Method::POST, "/v1/export-webhooks") => Some(Self::CreateWebhook),
            (&Method::DELETE, "/v1/export-webhooks/{id}") => Some(Self::DeleteWebhook),
            (&Method::POST, "/v1/export-webhooks/{id}/rotate") => Some(Self::RotateWebhook),
            (&Method::POST, "/v1/export-webhooks/{id}/test") => Some(Self::TestWebhook),
            (&Method::POST, "/v1/export-webhooks/{id}/enable") => Some(Self::EnableWebhook),
            _ => None,
        }
    }
}

impl Audit {
    pub(crate) fn new(trusted_proxies: Networks) -> Self {
        Self {
            trusted_proxies,
            refusals: Arc::default(),
        }
    }

    /// Who sends a request, as far as the connection says.
    pub(crate) fn origin(&self, request: &Request) -> Origin {
        Origin {
            request: request.extensions().get().copied(),
            client: client_address(request, &self.trusted_proxies),
        }
    }

    /// Records that a request was refused before it was known or allowed to do anything.
    pub(crate) fn refused(&self, origin: Origin, subject: &Subject, refusal: Refusal) {
        self.refusals.record(origin, subject, refusal);
    }

    /// Writes the summaries of refusals that are not logged yet.
    pub(crate) fn flush(&self) {
        self.refusals.end_window();
    }
}

/// The request and the address it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    request: Option<RequestId>,
    client: Option<IpAddr>,
}

/// The line of an action. `drop` writes it, which also happens when the client disconnects.
pub(crate) struct ActionLine {
    action: Action,
    origin: Origin,
    subject: Subject,
    outcome: &'static str,
}

impl ActionLine {
    pub(crate) fn begin(action: Action, origin: Origin, subject: Subject) -> Self {
        Self {
            action,
            origin,
            subject,
            outcome: "disconnected",
        }
    }

    /// Sets the outcome: `done`, or the code of the error.
    pub(crate) fn ended(&mut self, response: &Response) {
        let error = response.extensions().get::<Arc<ApiError>>();
        self.outcome = match error {
            Some(error) => error.code().as_str(),
            None if response.headers().contains_key(IDEMPOTENCY_REPLAYED) => "replayed",
            None => "done",
        };
    }

    /// The id of a new export is known before the export exists.
    fn may_have_export(&self) -> bool {
        let created = matches!(self.outcome, "done" | "replayed" | "disconnected");
        self.action != Action::CreateExport || created
    }

    /// Requests without a valid key are refusals, and downloads without content are nothing.
    fn is_audited(&self) -> bool {
        match self.action {
            Action::DownloadFile => self.outcome == "done",
            Action::CreateExport
            | Action::CancelExport
            | Action::RetryExport
            | Action::DeleteExport
            | Action::CreateLink
            | Action::CreateWebhook
            | Action::DeleteWebhook
            | Action::RotateWebhook
            | Action::TestWebhook
            | Action::EnableWebhook => self.subject.key().is_some(),
        }
    }
}

impl Drop for ActionLine {
    fn drop(&mut self) {
        if !self.is_audited() {
            return;
        }
        let action: &str = self.action.into();
        let subject = &self.subject;
        let export = subject.export().filter(|_| self.may_have_export());
        tracing::info!(
            target: "audit",
            action,
            outcome = self.outcome,
            request_id = self.origin.request.map(tracing::field::display),
            client.address = self.origin.client.map(tracing::field::display),
            key.id = subject.key().map(tracing::field::display),
            project.id = subject.project().map(tracing::field::display),
            export.id = export.map(tracing::field::display),
            webhook.id = subject.webhook().map(tracing::field::display),
            "audit"
        );
    }
}
