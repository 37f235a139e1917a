//! The `OpenAPI` responses of the errors that an endpoint documents.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::json;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{IntoResponses, ToSchema};

use crate::envelope::ErrorEnvelope;
use crate::error_body::{PROBLEM_JSON, ProblemDetails};
use crate::error_code::ErrorCode;

/// The errors of one endpoint. The endpoint's file implements this trait next to the handler.
pub(crate) trait DocumentedErrors {
    const CODES: &'static [ErrorCode];
}

/// Adds the errors of an endpoint to its `responses(…)`.
pub(crate) struct ErrorResponses<E>(PhantomData<E>);

impl<E: DocumentedErrors> IntoResponses for ErrorResponses<E> {
    /// One response for each status.
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let codes = ErrorCode::ALL.iter().copied();
        let codes: Vec<_> = codes.filter(|code| E::CODES.contains(code)).collect();
        codes
            .chunk_by(|one, next| one.status() == next.status())
            .map(|codes| {
                (
                    codes[0].status().as_str().to_owned(),
                    response(codes).into(),
                )
            })
            .collect()
    }
}

/// The response of one status, with an example for each of its codes.
fn response(codes: &[ErrorCode]) -> Response {
    let descriptions: Vec<_> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", code.summary()))
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
    let content = envelope().examples_from_iter(examples).build();
    let response = ResponseBuilder::new()
        .description(descriptions.join("; "))
        .content("application/json", content)
        .content(PROBLEM_JSON, problem())
        .header("Vary", text(VARY));
    match codes[0] {
        ErrorCode::Unauthorized => response.header("WWW-Authenticate", text("`Bearer`")),
        ErrorCode::RangeNotSatisfiable => {
            response.header("Content-Range", text("`bytes */` and the size of the file"))
        }
        ErrorCode::Unavailable => response.header(
            "Retry-After",
            header(integer(), "The number of seconds to wait before a retry"),
        ),
        ErrorCode::RateLimited => response
            .header(
                "Retry-After",
                header(integer(), "The number of seconds to wait before a retry"),
            )
            .header(
                "RateLimit-Policy",
                text("The limit: its name, its quota `q` and, if it is a rate, its time `w` in seconds (draft-ietf-httpapi-ratelimit-headers-10)"),
            )
            .header(
                "RateLimit",
                text("The name of the limit, what remains of it (`r`) and when there is more (`t`, in seconds)"),
            ),
        _ => response,
    }
    .build()
}

/// The response for all errors that an endpoint does not document.
pub(crate) fn default_response() -> Response {
    let description = "Any other error: 405 `METHOD_NOT_ALLOWED` (with `Allow`), or an error of a proxy \
                       between client and service";
    ResponseBuilder::new()
        .description(description)
        .content("application/json", envelope().build())
        .content(PROBLEM_JSON, problem())
        .header("Vary", text(VARY))
        .header("Allow", text("With 405: the allowed methods"))
        .build()
}

const VARY: &str = "Contains `accept`, which chooses between the two forms of an error";

fn problem() -> Content {
    let schema = Ref::from_schema_name(ProblemDetails::name());
    ContentBuilder::new().schema(Some(schema)).build()
}

fn envelope() -> ContentBuilder {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorEnvelope::name())))
}

fn text(description: &str) -> Header {
    header(Object::with_type(Type::String), description)
}

fn integer() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .build()
}

pub(crate) fn header(schema: impl Into<RefOr<Schema>>, description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description))
        .build()
}
