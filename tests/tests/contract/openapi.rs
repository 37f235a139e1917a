//! `GET /openapi.json`: an OpenAPI 3.1 document that describes the whole contract. `response_rules` checks that every response
//! conforms.

use std::collections::BTreeSet;

use exports_tests::Endpoint;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::assert_refused;
use crate::response_rules::operations;
use crate::shared::{request_with, story};

const SPECIFICATION: &str = include_str!("../../schemas/openapi-3.1.json");

async fn document(fixtures: &crate::shared::SharedFixtures) -> Value {
    let consumer = fixtures.consumer().await;
    let reply = consumer.api.without_key().get("/openapi.json").await;
    reply.expect(200).json()
}

#[test]
fn the_document_is_valid_openapi_3_1() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let specification: Value = serde_json::from_str(SPECIFICATION).unwrap();
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&specification)
            .unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let mut broken = document.clone();
        broken["paths"]["/v1/exports"]["get"]["responses"]["200"] = Value::Null;
        assert!(
            !validator.is_valid(&broken),
            "the schema validates responses"
        );
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            jsonschema::draft202012::meta::validate(schema)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    });
}

#[test]
fn references_resolve_and_operation_ids_are_unique() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let names: Vec<_> = operations(&document)
            .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    });
}

/// The responses of an operation: status, error codes, headers.
type Answers = &'static [(
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
)];

const INVALID: (&str, &[&str], &[&str]) = ("400", &["INVALID_REQUEST"], &[]);
const FORBIDDEN: (&str, &[&str], &[&str]) = ("403", &["FORBIDDEN"], &[]);
const UNAUTHORIZED: (&str, &[&str], &[&str]) = ("401", &["UNAUTHORIZED"], &["WWW-Authenticate"]);
const NOT_FOUND: (&str, &[&str], &[&str]) = ("404", &["NOT_FOUND"], &[]);
const LIMITED: (&str, &[&str], &[&str]) = (
    "429",
    &["RATE_LIMITED"],
    &["Retry-After", "RateLimit-Policy", "RateLimit"],
);
const INTERNAL: (&str, &[&str], &[&str]) = ("500", &["INTERNAL_ERROR"], &[]);
const UNAVAILABLE: (&str, &[&str], &[&str]) = ("503", &["UNAVAILABLE"], &["Retry-After"]);
const METHOD: (&str, &[&str], &[&str]) = ("default", &["METHOD_NOT_ALLOWED"], &["Allow"]);

const CONTRACT: &[(&str, &str, Answers)] = &[
    (
        "post",
        "/v1/exports",
        &[
            ("201", &[], &["Location", "Idempotency-Replayed"]),
            ("400", &["INVALID_REQUEST", "ENDPOINT_NOT_FOUND"], &[]),
            UNAUTHORIZED,
            FORBIDDEN,
            ("409", &["IDEMPOTENCY_MISMATCH"], &[]),
            ("413", &["PAYLOAD_TOO_LARGE"], &[]),
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "get",
        "/v1/exports",
        &[
            ("200", &[], &[]),
            INVALID,
            UNAUTHORIZED,
            FORBIDDEN,
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "get",
        "/v1/exports/{id}",
        &[
            ("200", &[], &["ETag", "Retry-After"]),
            ("304", &[], &["ETag", "Retry-After"]),
            INVALID,
            UNAUTHORIZED,
            FORBIDDEN,
            NOT_FOUND,
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "delete",
        "/v1/exports/{id}",
        &[
            ("204", &[], &[]),
            INVALID,
            UNAUTHORIZED,
            FORBIDDEN,
            NOT_FOUND,
            ("409", &["EXPORT_ACTIVE"], &[]),
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "get",
        "/v1/exports/{id}/download",
        &[
            ("302", &[], &["Location"]),
            ("200", &[], &[]),
            ("400", &["INVALID_REQUEST", "EXPORT_NOT_READY"], &[]),
            UNAUTHORIZED,
            FORBIDDEN,
            NOT_FOUND,
            ("410", &["EXPORT_EXPIRED"], &[]),
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "get",
        "/files/{id}",
        &[
            (
                "200",
                &[],
                &[
                    "Content-Disposition",
                    "Content-Length",
                    "ETag",
                    "Accept-Ranges",
                ],
            ),
            ("206", &[], &["Content-Range"]),
            ("403", &["FORBIDDEN", "INVALID_SIGNATURE"], &[]),
            NOT_FOUND,
            ("410", &["EXPORT_EXPIRED"], &[]),
            ("416", &["RANGE_NOT_SATISFIABLE"], &["Content-Range"]),
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    ("get", "/healthz", &[("200", &[], &[]), METHOD]),
    ("get", "/readyz", &[("200", &[], &[]), UNAVAILABLE, METHOD]),
    ("get", "/openapi.json", &[("200", &[], &[]), METHOD]),
];

#[test]
fn the_document_describes_every_operation_status_header_and_error_code() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        assert_eq!(operations(&document).count(), CONTRACT.len());
        for (method, path, answers) in CONTRACT {
            let operation = &document["paths"][path][method];
            assert!(operation.is_object(), "{method} {path}");
            let keyed = operation["security"][0].get("bearer").is_some();
            assert_eq!(keyed, path.starts_with("/v1"), "{path}");
            for (status, codes, headers) in *answers {
                let response = &operation["responses"][status];
                let place = format!("{method} {path} {status}");
                assert!(response["description"].is_string(), "{place}");
                let described = response["headers"].as_object().expect(&place);
                for header in headers.iter().chain(&["X-Request-Id"]) {
                    assert!(described.contains_key(*header), "{place}: {header}");
                }
                for code in *codes {
                    let told = response["description"].as_str().unwrap().contains(code);
                    assert!(told, "{place}: {code}");
                    let schema = &response["content"]["application/json"]["schema"];
                    assert_eq!(schema["$ref"], "#/components/schemas/Error", "{place}");
                }
            }
        }
    });
}

#[test]
fn the_document_describes_parameters_and_schema_fields() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        for (method, path, place, names) in [
            (
                "get",
                "/v1/exports",
                "query",
                &["cursor", "limit", "status"][..],
            ),
            ("post", "/v1/exports", "header", &["Idempotency-Key"]),
            ("get", "/v1/exports/{id}", "path", &["id"]),
            ("get", "/v1/exports/{id}", "header", &["If-None-Match"]),
            ("delete", "/v1/exports/{id}", "path", &["id"]),
            ("get", "/v1/exports/{id}/download", "query", &["redirect"]),
            ("get", "/files/{id}", "query", &["expires", "signature"]),
            ("get", "/files/{id}", "header", &["If-Range", "Range"]),
        ] {
            let parameters = document["paths"][path][method]["parameters"]
                .as_array()
                .unwrap();
            let given: BTreeSet<_> = parameters
                .iter()
                .filter(|it| it["in"] == place)
                .map(|it| it["name"].as_str().unwrap())
                .collect();
            assert_eq!(
                given,
                names.iter().copied().collect(),
                "{method} {path} {place}"
            );
        }
        let schemas = &document["components"]["schemas"];
        let named = |name: &str| -> BTreeSet<String> {
            schemas[name]["properties"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|it| (*it).to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(
            named("CreateExport"),
            set(&[
                "start_time",
                "end_time",
                "direction",
                "status",
                "endpoint_id",
                "inbound_endpoint_id"
            ])
        );
        assert_eq!(
            named("Export"),
            set(&[
                "id",
                "project_id",
                "status",
                "direction",
                "filter_start_time",
                "filter_end_time",
                "filter_status",
                "filter_endpoint_id",
                "filter_inbound_endpoint_id",
                "row_count",
                "file_size_bytes",
                "error_message",
                "started_at",
                "completed_at",
                "expires_at",
                "created_at",
                "error_code",
                "attempt",
                "sha256",
            ])
        );
    });
}

/// What generated requests found: the schema allowed bodies and parameters that the API rejects.
#[test]
fn the_schema_of_a_create_accepts_what_the_api_accepts() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let schema = &document["components"]["schemas"]["CreateExport"];
        let schema = jsonschema::draft202012::new(schema).unwrap();
        let consumer = fixtures.consumer().await;
        let (outbound, inbound) = (Uuid::now_v7(), Uuid::now_v7());
        let endpoints = [
            Endpoint::outbound(&consumer.project, outbound, "https://example.com"),
            Endpoint::inbound(&consumer.project, inbound, "https://example.com"),
        ];
        consumer.fixture.insert_endpoints(&endpoints).await;
        let (outbound, inbound) = (format!("ep_{}", outbound.simple()), inbound.to_string());
        for (changes, accepted) in [
            (json!({}), true),
            (json!({"direction": "outbound"}), true),
            (json!({"direction": "inbound"}), true),
            (json!({"endpoint_id": outbound}), true),
            (
                json!({"direction": "outbound", "endpoint_id": outbound}),
                true,
            ),
            (
                json!({"direction": "inbound", "inbound_endpoint_id": inbound}),
                true,
            ),
            (json!({"inbound_endpoint_id": inbound}), false),
            (
                json!({"direction": "outbound", "inbound_endpoint_id": inbound}),
                false,
            ),
            (
                json!({"direction": "inbound", "endpoint_id": outbound}),
                false,
            ),
            (
                json!({"direction": "inbound", "endpoint_id": outbound, "inbound_endpoint_id": inbound}),
                false,
            ),
            (json!({"direction": "both"}), false),
        ] {
            let body = request_with(changes);
            assert_eq!(schema.is_valid(&body), accepted, "{body}");
            let reply = consumer.api.post("/v1/exports", &body).await;
            assert_eq!(reply.status == 201, accepted, "{body}: {}", reply.status);
            assert!(matches!(reply.status, 201 | 400), "{body}");
        }
        let parameters = document["paths"]["/v1/exports"]["get"]["parameters"].clone();
        let cursor = parameters
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == "cursor");
        assert_eq!(cursor.unwrap()["schema"]["minLength"], 1);
        let reply = consumer.api.get("/v1/exports?cursor=").await;
        assert_refused(
            &reply,
            400,
            "INVALID_REQUEST",
            &["cursor must not be empty"],
        );
    });
}
