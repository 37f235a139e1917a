//! `GET /openapi.json`: the `OpenAPI` document, generated from the code.
//!
//! Each endpoint documents its responses and errors. This module adds what all endpoints share: the request id, the default
//! response, the API key, the names of types, and examples that fit the operation.

mod examples;
mod file_columns;
mod type_names;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr, Response, Server};
use utoipa::{OpenApi, PartialSchema};

use crate::caching;
use crate::envelope::ErrorEnvelope;
use crate::error_body::ProblemDetails;
use crate::error_responses::{default_response, header};
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::{create_export, list_exports};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Message exports",
        description = "Exports the messages of a project as files (CSV, JSON Lines or Parquet): create an export, wait \
            until it is completed, download the file. Every request under `/v1` needs an API key, as \
            `Authorization: Bearer <key>`."
    ),
    tags(
        (name = "Exports", description = "Create exports, wait for them, get their files"),
        (name = "Files", description = "The target of the download, if the API serves the files itself"),
        (name = "Webhooks", description = "Signed notifications when exports end"),
        (name = "Operation", description = "For probes and tools, without a key"),
    ),
    paths(
        crate::create_export::create_export,
        crate::list_exports::list_exports,
        crate::get_export::get_export,
        crate::estimate_export::estimate_export,
        crate::cancel_export::cancel_export,
        crate::retry_export::retry_export,
        crate::export_events::export_events,
        crate::project_events::project_events,
        crate::delete_export::delete_export,
        crate::download_export::download_export,
        crate::download_file::download_file,
        crate::manifest::get_manifest,
        crate::manifest_key::get_manifest_key,
        crate::webhooks::create::create_webhook,
        crate::webhooks::list::list_webhooks,
        crate::webhooks::get::get_webhook,
        crate::webhooks::delete::delete_webhook,
        crate::webhooks::rotate::rotate_webhook,
        crate::webhooks::test::test_webhook,
        crate::webhooks::enable::enable_webhook,
        crate::webhooks::deliveries::list_deliveries,
        crate::health::healthz,
        crate::health::readyz,
        openapi,
    ),
    components(schemas(ErrorEnvelope, ProblemDetails))
)]
struct Handlers;

/// Get the description of the API
///
/// This document.
#[utoipa::path(
    get,
    operation_id = "get_openapi",
    path = "/openapi.json",
    tag = "Operation",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json",
        body = Object)),
)]
pub(crate) async fn openapi(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    let document = state.openapi_document.clone();
    ([(CONTENT_TYPE, "application/json")], document)
}

/// The serialized document of an API at this address.
pub(crate) fn document(public_url: &str) -> Bytes {
    let json = serde_json::to_value(build(public_url)).and_then(|mut document| {
        create_export::refine_schema(&mut document["components"]["schemas"]["CreateExport"]);
        type_names::name_envelopes(&mut document);
        refine_parameters(&mut document);
        examples::fit_to_operations(&mut document);
        serde_json::to_vec(&document)
    });
    json.expect("the document is plain data with text keys")
        .into()
}

/// What utoipa cannot express: defaults, and that a parameter is left out and never null.
fn refine_parameters(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (_, operation) in item.as_object_mut().into_iter().flatten() {
            // Not by index, which would insert null.
            let parameters = operation.get_mut("parameters");
            let parameters = parameters.and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                let default = default_of(path, &parameter["name"]);
                let schema = &mut parameter["schema"];
                if let Some(default) = default {
                    schema["default"] = default;
                }
                if let [kind, Value::String(null)] = types(schema)
                    && null == "null"
                {
                    schema["type"] = kind.clone();
                }
            }
        }
    }
}

fn default_of(path: &str, parameter: &Value) -> Option<Value> {
    match (path, parameter.as_str()) {
        ("/v1/exports", Some("limit")) => Some(json!(list_exports::MAX_LIMIT)),
        ("/v1/exports/{id}/download", Some("redirect")) => Some(json!(true)),
        _ => None,
    }
}

fn types(schema: &Value) -> &[Value] {
    schema["type"].as_array().map_or(&[], Vec::as_slice)
}

fn build(public_url: &str) -> Document {
    let mut document = Handlers::openapi();
    document.servers = Some(vec![Server::new(public_url)]);
    let components = document.components.get_or_insert_default();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An API key: exk_ and 64 hex digits".to_owned());
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    if let Some(download) = document.paths.paths.get_mut("/v1/exports/{id}/download")
        && let Some(operation) = &mut download.get
    {
        let description = operation.description.get_or_insert_default();
        description.push_str(&file_columns::description());
    }
    for (path, item) in &mut document.paths.paths {
        for operation in operations_of(item) {
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), default_response().into());
            for (status, response) in responses {
                if let RefOr::T(response) = response {
                    common_headers(path, status, response);
                }
            }
        }
    }
    document
}

/// Adds the headers that every response has.
fn common_headers(path: &str, status: &str, response: &mut Response) {
    let is_link = path.ends_with("/download") && matches!(status, "200" | "302");
    let is_stream = path.ends_with("/events") && status == "200";
    let has_secret = matches!(
        (path, status),
        ("/v1/export-webhooks", "201") | ("/v1/export-webhooks/{id}/rotate", "200")
    );
    // `default` is for errors, too.
    let cache_control = if status >= "400" || is_link || is_stream || has_secret {
        caching::NO_STORE
    } else {
        caching::default_of(path)
    };
    let text = || Object::with_type(Type::String);
    let request_id = header(RequestId::schema(), "The request id, as in `meta`");
    let cache_control = header(text(), &format!("`{cache_control}`"));
    for (name, header) in [
        ("X-Request-Id", request_id),
        ("Cache-Control", cache_control),
        ("X-Content-Type-Options", header(text(), "`nosniff`")),
        (
            "X-Trace-Id",
            header(
                text(),
                "The id of the trace, if the request has one: see `traceparent`",
            ),
        ),
    ] {
        response.headers.insert(name.to_owned(), header.into());
    }
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [&mut item.get, &mut item.post, &mut item.delete];
    methods.into_iter().flatten()
}

#[cfg(test)]
mod tests;
