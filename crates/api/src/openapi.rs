//! `GET /openapi.json`: the `OpenAPI` document, generated from the code.
//!
//! Each endpoint documents its responses and errors. This module adds what all endpoints share: the request id, the default
//! response and the API key.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr, Server};
use utoipa::{OpenApi, PartialSchema};

use crate::create_export;
use crate::envelope::ErrorEnvelope;
use crate::error_responses::{default_response, header};
use crate::request_id::RequestId;
use crate::state::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Message exports",
        description = "Exports the messages of a project as CSV files: create an export, wait until it is \
            completed, download the file."
    ),
    paths(
        crate::create_export::create_export,
        crate::list_exports::list_exports,
        crate::get_export::get_export,
        crate::delete_export::delete_export,
        crate::download_export::download_export,
        crate::download_file::download_file,
        crate::health::healthz,
        crate::health::readyz,
        openapi,
    ),
    components(schemas(ErrorEnvelope))
)]
struct Handlers;

/// This document
#[utoipa::path(
    get,
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
        // The schemas of utoipa are either an object or a choice, but not both.
        document["components"]["schemas"]["CreateExport"]["oneOf"] = create_export::directions();
        serde_json::to_vec(&document)
    });
    json.expect("the document is plain data with text keys")
        .into()
}

fn build(public_url: &str) -> Document {
    let mut document = Handlers::openapi();
    document.servers = Some(vec![Server::new(public_url)]);
    let components = document.components.get_or_insert_default();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An API key: exk_ and 64 hex digits".to_owned());
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let paths = document.paths.paths.values_mut();
    for operation in paths.flat_map(operations_of) {
        let responses = &mut operation.responses.responses;
        responses.insert("default".to_owned(), default_response().into());
        for response in responses.values_mut() {
            if let RefOr::T(response) = response {
                let header = header(RequestId::schema(), "The request id, as in `meta`");
                let name = "X-Request-Id".to_owned();
                response.headers.insert(name, header.into());
            }
        }
    }
    document
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [&mut item.get, &mut item.post, &mut item.delete];
    methods.into_iter().flatten()
}

#[cfg(test)]
mod tests;
