//! `POST /v1/export-webhooks`: create a webhook.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use exports_database::{CreatedWebhook, NewWebhook, WebhookSecret};
use exports_domain::{Scope, WebhookEvent, WebhookId};
use exports_service::webhooks::{WebhookNetworks, WebhookTarget};
use utoipa::ToSchema;

use super::change;
use super::json::{EventSchema, WebhookJson};
use crate::audit::Subject;
use crate::body::Body;
use crate::caching::no_store;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::json_fields::{Field, JsonFields};
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

/// A new webhook. `null` is the same as absent.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "only the schema of the body: `parse` reads its fields"
)]
pub(crate) struct CreateWebhook {
    /// Where deliveries are sent: `https://` and a public host
    #[schema(max_length = 2048, example = "https://example.com/webhooks")]
    url: String,
    /// The events: `export.completed`, `export.failed`, `export.expired`. Default: the first two
    #[schema(nullable = false, min_items = 1, max_items = 3, example = json!(["export.completed", "export.failed"]))]
    events: Option<Vec<EventSchema>>,
}

/// Parses a body. The error has all its faults.
fn parse(body: &[u8], networks: &WebhookNetworks) -> Result<(String, Vec<WebhookEvent>), ApiError> {
    let mut fields = JsonFields::parse(body, &["url", "events"])?;
    let url = fields.text("url", |text| {
        let checked = WebhookTarget::parse(text, networks);
        checked.map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    });
    if url.is_absent() {
        fields.faults.add("url is required");
    }
    let events = match fields.list("events", event) {
        Field::Given(events) => events.as_slice().to_vec(),
        Field::Absent | Field::Faulty => WebhookEvent::DEFAULT.to_vec(),
    };
    fields.finish()?;
    let url = url.value().expect("it is set, because there are no faults");
    Ok((url, events))
}

fn event(name: &str) -> Result<WebhookEvent, String> {
    let known = WebhookEvent::SUBSCRIBABLE;
    let event = known.into_iter().find(|event| event.as_str() == name);
    event.ok_or_else(|| {
        format!(
            "must be one of {}",
            known.map(WebhookEvent::as_str).join(", ")
        )
    })
}

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::TooManyWebhooks,
        ErrorCode::PayloadTooLarge,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Create a webhook
///
/// From now on, the end of each export of the project is sent to the URL, signed by the Standard Webhooks specification. The
/// response contains the secret of the signatures, which is not shown again. A project has at most 10 webhooks.
#[utoipa::path(
    post,
    operation_id = "create_webhook",
    path = "/v1/export-webhooks",
    tag = "Webhooks",
    request_body(content = CreateWebhook, content_type = "application/json"),
    responses(
        (status = 201, description = "Webhook created", body = Envelope<WebhookJson>, headers(
            ("Location" = String, description = "The URL of the webhook"),
        )),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn create_webhook(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    Extension(subject): Extension<Subject>,
    _: NoQuery,
    Body(body): Body,
) -> Result<Response, ApiError> {
    caller.require(Scope::Write)?;
    let (url, events) = parse(&body, &state.webhook_networks)?;
    let new = NewWebhook {
        id: WebhookId::generate(),
        project: caller.project.clone(),
        url,
        events,
        secret: WebhookSecret::generate(),
    };
    let secret = new.secret.clone();
    let created = change(&state, &caller.project, |database| async move {
        database.create_webhook(&new).await
    });
    let webhook = match created.await? {
        CreatedWebhook::New(webhook) => webhook,
        CreatedWebhook::TooMany => return Err(ApiError::TooManyWebhooks),
    };
    subject.set_webhook(webhook.id);
    let location = format!("{}/v1/export-webhooks/{}", state.public_url, webhook.id);
    let location = HeaderValue::try_from(location).expect("a URL is a valid header value");
    let mut headers = HeaderMap::from_iter([no_store()]);
    headers.insert(LOCATION, location);
    let json = WebhookJson::from(&webhook).with_secret(&secret);
    Ok((
        StatusCode::CREATED,
        headers,
        Envelope::json(request_id, json),
    )
        .into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<(String, Vec<WebhookEvent>), String> {
        parse(body.as_bytes(), &WebhookNetworks::default()).map_err(|error| error.message())
    }

    #[test]
    fn the_events_default_to_the_ends_of_exports() {
        let url = "https://example.com/x".to_owned();
        assert_eq!(
            parsed(r#"{"url": "https://example.com/x"}"#),
            Ok((
                url.clone(),
                vec![WebhookEvent::Completed, WebhookEvent::Failed]
            ))
        );
        assert_eq!(
            parsed(r#"{"url": "https://example.com/x", "events": ["export.expired"]}"#),
            Ok((url, vec![WebhookEvent::Expired]))
        );
    }

    #[test]
    fn all_faults_are_in_one_message() {
        assert_eq!(
            parsed(r#"{"events": ["export.test", "x"], "secret": "y"}"#).unwrap_err(),
            "url is required; \
             events[0] must be one of export.completed, export.failed, export.expired; \
             events[1] must be one of export.completed, export.failed, export.expired; \
             unknown field \"secret\": the known fields are url, events"
        );
        let error = parsed(r#"{"url": "http://127.1/"}"#).unwrap_err();
        assert_eq!(error, "url must start with https://");
        let error = parsed(r#"{"url": "https://127.1/"}"#).unwrap_err();
        assert!(
            error.starts_with("url must not lead to a loopback"),
            "{error}"
        );
    }
}
