//! `GET /openapi.json`: the description of this API, made from the code.
//!
//! Each handler describes its own success; what the operations have in common is added here: the
//! errors (from one table), the request's id, the key.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::json;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, Server,
};
use utoipa::{OpenApi, PartialSchema, ToSchema};

use crate::envelope::ErrorEnvelope;
use crate::error_code::ErrorCode;
use crate::request_id::RequestId;
use crate::state::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Message exports",
        description = "Exports of a project's messages as CSV files: ask for one, wait until it is \
            completed, download it."
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
    ([(CONTENT_TYPE, "application/json")], state.document.clone())
}

/// The document as it is sent, for an API at this address.
pub(crate) fn document(public_url: &str) -> Bytes {
    let json = build(public_url).to_json();
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
        let codes = errors_of(operation);
        add_errors(operation, &codes);
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                let header = header(RequestId::schema(), "The request's id, as in `meta`");
                response
                    .headers
                    .insert("X-Request-Id".to_owned(), header.into());
            }
        }
    }
    document
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [&mut item.get, &mut item.post, &mut item.delete];
    methods.into_iter().flatten()
}

/// Which errors an operation knows, by status. What every one may answer besides is its `default`.
fn errors_of(operation: &Operation) -> Vec<ErrorCode> {
    use ErrorCode as E;
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let own: &[E] = match id {
        "create_export" => &[
            E::EndpointNotFound,
            E::IdempotencyMismatch,
            E::PayloadTooLarge,
        ],
        "get_export" => &[E::NotFound],
        "delete_export" => &[E::NotFound, E::ExportActive],
        "download_export" => &[E::ExportNotReady, E::NotFound, E::ExportExpired],
        "download_file" => &[
            E::InvalidSignature,
            E::NotFound,
            E::ExportExpired,
            E::RangeNotSatisfiable,
        ],
        _ => &[],
    };
    let common: &[E] = match id {
        "healthz" | "openapi" => &[],
        "readyz" | "download_file" => &[E::InternalError, E::Unavailable],
        _ => &[
            E::InvalidRequest,
            E::Unauthorized,
            E::InternalError,
            E::Unavailable,
        ],
    };
    let known = |code: &E| own.contains(code) || common.contains(code);
    E::ALL.into_iter().filter(known).collect()
}

fn add_errors(operation: &mut Operation, codes: &[ErrorCode]) {
    let responses = &mut operation.responses.responses;
    for group in codes.chunk_by(|one, next| one.status() == next.status()) {
        let status = group[0].status().as_str().to_owned();
        responses.insert(status, error_response(group).into());
    }
    let other = "Any other refusal: 405 `METHOD_NOT_ALLOWED` (with `Allow`), or whatever stands \
                 between client and service";
    let other = ResponseBuilder::new()
        .description(other)
        .content("application/json", envelope().build())
        .header("Allow", text("With 405: the methods that are allowed"))
        .build();
    responses.insert("default".to_owned(), other.into());
}

/// The answer of one status, with an example for each of its codes.
fn error_response(codes: &[ErrorCode]) -> Response {
    let meanings: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.as_str(), code.summary()))
        .collect();
    let examples = codes.iter().map(|code| {
        let value = json!({
            "error": { "code": code.as_str(), "message": code.message() },
            "meta": { "request_id": "req_xyz123" },
        });
        let example = ExampleBuilder::new()
            .summary(code.summary())
            .value(Some(value));
        (code.as_str(), example.build())
    });
    let response = ResponseBuilder::new()
        .description(meanings.join("; "))
        .content(
            "application/json",
            envelope().examples_from_iter(examples).build(),
        );
    match codes[0] {
        ErrorCode::Unauthorized => response.header("WWW-Authenticate", text("`Bearer`")),
        ErrorCode::RangeNotSatisfiable => {
            response.header("Content-Range", text("`bytes */` and the file's size"))
        }
        ErrorCode::Unavailable => response.header(
            "Retry-After",
            header(integer(), "After how many seconds to try again"),
        ),
        _ => response,
    }
    .build()
}

fn envelope() -> ContentBuilder {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorEnvelope::name())))
}

fn text(description: &str) -> utoipa::openapi::header::Header {
    header(Object::with_type(Type::String), description)
}

fn integer() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .build()
}

fn header(
    schema: impl Into<RefOr<utoipa::openapi::Schema>>,
    description: &str,
) -> utoipa::openapi::header::Header {
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description))
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn value() -> Value {
        serde_json::from_slice(&document("https://example.com")).unwrap()
    }

    /// Every operation with its path.
    fn operations(document: &Value) -> Vec<(&String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                let operations = item.as_object().unwrap().values();
                operations.map(move |operation| (path, operation))
            })
            .collect()
    }

    #[test]
    fn it_is_a_3_1_document_with_every_operation() {
        let document = value();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(document["servers"][0]["url"], "https://example.com");
        assert_eq!(operations(&document).len(), 9);
        assert_eq!(
            document["components"]["securitySchemes"]["bearer"]["scheme"],
            "bearer"
        );
    }

    #[test]
    fn every_answer_has_the_request_s_id_and_every_error_the_envelope() {
        let document = value();
        for (path, operation) in operations(&document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let place = format!("{path} {status}");
                assert!(response["headers"]["X-Request-Id"].is_object(), "{place}");
                if status.as_str() >= "400" {
                    let schema = &response["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/Error", "{place}");
                }
            }
        }
    }

    #[test]
    fn every_route_under_v1_needs_a_key_and_says_so() {
        let document = value();
        for (path, operation) in operations(&document) {
            let keyed = path.starts_with("/v1");
            assert_eq!(
                operation["security"][0]["bearer"].is_array(),
                keyed,
                "{path}"
            );
            let responses = &operation["responses"];
            assert_eq!(responses["401"].is_object(), keyed, "{path}");
            assert_eq!(
                responses["503"].is_object(),
                keyed || path == "/readyz" || path.starts_with("/files")
            );
        }
    }

    #[test]
    fn every_code_is_described_somewhere() {
        let document = value().to_string();
        for code in ErrorCode::ALL {
            assert!(
                document.contains(&format!("`{}`", code.as_str())),
                "{code:?}"
            );
        }
    }

    #[test]
    fn an_export_s_schema_has_the_seed_s_fields_and_none_is_ever_null() {
        let document = value();
        let schema = &document["components"]["schemas"]["Export"];
        let required: Vec<_> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(
            required,
            [
                "id",
                "project_id",
                "status",
                "direction",
                "filter_start_time",
                "filter_end_time",
                "attempt",
                "created_at"
            ]
        );
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["type"].is_string(), "{name}: {property}");
        }
        let create = &document["components"]["schemas"]["CreateExport"];
        assert_eq!(create["required"], json!(["start_time", "end_time"]));
    }
}
