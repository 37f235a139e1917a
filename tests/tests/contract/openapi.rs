//! `GET /openapi.json`: an OpenAPI 3.1 document that describes the whole contract. `response_rules` checks that every response
//! conforms.

use std::collections::BTreeSet;

use exports_domain::{Column, Direction};
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
        "get",
        "/v1/exports/{id}/manifest",
        &[
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
        "/.well-known/exports-manifest-key",
        &[("200", &[], &[]), NOT_FOUND, METHOD],
    ),
    (
        "post",
        "/v1/exports",
        &[
            (
                "201",
                &[],
                &["Location", "Idempotency-Replayed", "Preference-Applied"],
            ),
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
            ("200", &[], &["Link"]),
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
            ("200", &[], &["ETag", "Retry-After", "Preference-Applied"]),
            ("304", &[], &["ETag", "Retry-After", "Preference-Applied"]),
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
        "post",
        "/v1/exports/{id}/cancel",
        &[
            ("200", &[], &[]),
            INVALID,
            UNAUTHORIZED,
            FORBIDDEN,
            NOT_FOUND,
            ("409", &["EXPORT_NOT_ACTIVE"], &[]),
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "post",
        "/v1/exports/{id}/retry",
        &[
            (
                "201",
                &[],
                &["Location", "Idempotency-Replayed", "Preference-Applied"],
            ),
            ("400", &["INVALID_REQUEST", "ENDPOINT_NOT_FOUND"], &[]),
            UNAUTHORIZED,
            FORBIDDEN,
            NOT_FOUND,
            ("409", &["EXPORT_NOT_ACTIVE", "IDEMPOTENCY_MISMATCH"], &[]),
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "post",
        "/v1/exports/estimate",
        &[
            ("200", &[], &[]),
            ("400", &["INVALID_REQUEST", "ENDPOINT_NOT_FOUND"], &[]),
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
        "/v1/exports/{id}/events",
        &[
            ("200", &[], &[]),
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
        "get",
        "/v1/exports/events",
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
                    "Repr-Digest",
                ],
            ),
            ("206", &[], &["Content-Range", "Repr-Digest"]),
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
    (
        "post",
        "/v1/export-webhooks",
        &[
            ("201", &[], &["Location"]),
            INVALID,
            UNAUTHORIZED,
            FORBIDDEN,
            ("409", &["TOO_MANY_WEBHOOKS"], &[]),
            ("413", &["PAYLOAD_TOO_LARGE"], &[]),
            LIMITED,
            INTERNAL,
            UNAVAILABLE,
            METHOD,
        ],
    ),
    (
        "get",
        "/v1/export-webhooks",
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
        "/v1/export-webhooks/{id}",
        &[
            ("200", &[], &[]),
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
        "/v1/export-webhooks/{id}",
        &[
            ("204", &[], &[]),
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
        "post",
        "/v1/export-webhooks/{id}/rotate",
        &[
            ("200", &[], &[]),
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
        "post",
        "/v1/export-webhooks/{id}/test",
        &[
            ("202", &[], &[]),
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
        "post",
        "/v1/export-webhooks/{id}/enable",
        &[
            ("200", &[], &[]),
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
        "get",
        "/v1/export-webhooks/{id}/deliveries",
        &[
            ("200", &[], &[]),
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
                let always = ["Cache-Control", "X-Content-Type-Options", "X-Request-Id"];
                for header in headers.iter().chain(&always) {
                    assert!(described.contains_key(*header), "{place}: {header}");
                }
                for code in *codes {
                    let told = response["description"].as_str().unwrap().contains(code);
                    assert!(told, "{place}: {code}");
                    let schema = &response["content"]["application/json"]["schema"];
                    assert_eq!(
                        schema["$ref"], "#/components/schemas/ErrorResponse",
                        "{place}"
                    );
                    let problem = &response["content"]["application/problem+json"]["schema"];
                    assert_eq!(problem["$ref"], "#/components/schemas/ProblemDetails");
                    assert!(described.contains_key("Vary"), "{place}");
                }
            }
        }
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is mostly lists")]
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
            (
                "post",
                "/v1/exports",
                "header",
                &["Idempotency-Key", "Prefer", "traceparent"],
            ),
            ("get", "/v1/exports/{id}", "path", &["id"]),
            ("get", "/v1/exports/{id}", "query", &["wait"]),
            (
                "get",
                "/v1/exports/{id}",
                "header",
                &["If-None-Match", "Prefer"],
            ),
            (
                "get",
                "/v1/exports/{id}/events",
                "header",
                &["Last-Event-ID"],
            ),
            ("get", "/v1/exports/events", "header", &["Last-Event-ID"]),
            ("delete", "/v1/exports/{id}", "path", &["id"]),
            ("post", "/v1/exports/{id}/cancel", "path", &["id"]),
            ("post", "/v1/exports/{id}/retry", "path", &["id"]),
            (
                "post",
                "/v1/exports/{id}/retry",
                "header",
                &["Idempotency-Key", "Prefer"],
            ),
            (
                "get",
                "/v1/exports/{id}/download",
                "query",
                &["file", "redirect"],
            ),
            (
                "get",
                "/files/{id}",
                "query",
                &["expires", "file", "signature"],
            ),
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
                "statuses",
                "endpoint_id",
                "endpoint_ids",
                "inbound_endpoint_id",
                "inbound_endpoint_ids",
                "label",
                "format",
                "compression",
                "columns",
                "timezone",
                "max_rows_per_file",
                "csv",
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
                "filter_statuses",
                "filter_endpoint_id",
                "filter_endpoint_ids",
                "filter_inbound_endpoint_id",
                "filter_inbound_endpoint_ids",
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
                "label",
                "format",
                "compression",
                "columns",
                "timezone",
                "max_rows_per_file",
                "files",
                "csv",
                "retry_of",
                "snapshot_at",
                "progress",
            ])
        );
        assert_eq!(
            named("ExportProgress"),
            set(&[
                "queue_position",
                "rows_written",
                "bytes_written",
                "percent",
                "estimated_seconds_remaining",
                "updated_at",
            ])
        );
    });
}

/// A schema of the document, with everything that it refers to.
fn validator(document: &Value, name: &str) -> jsonschema::Validator {
    let reference = format!("#/components/schemas/{name}");
    let schema = json!({ "$ref": reference, "components": document["components"] });
    let options = jsonschema::draft202012::options();
    let options = options.should_validate_formats(true);
    options.build(&schema).unwrap()
}

/// What a generator of clients needs. It was tried with openapi-python-client and datamodel-code-generator, and the document with
/// openapi-spec-validator.
#[test]
fn a_generator_makes_one_type_of_each_thing() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            let reference = format!("\"#/components/schemas/{name}\"");
            assert!(text.contains(&reference), "{name} is not used");
            // Languages and their libraries have types of these names.
            assert!(!["Error", "Exception", "Response", "Status"].contains(&&**name));
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        }
        for (name, schema) in schemas {
            let properties = schema["properties"].as_object().into_iter().flatten();
            for (property, schema) in properties {
                let place = format!("{name}.{property}");
                let inline = schema.get("properties").or(schema.get("enum"));
                assert!(inline.is_none(), "{place} is a type without a name");
                let choices = ["oneOf", "anyOf", "allOf"].map(|it| schema.get(it));
                assert_eq!(choices, [None; 3], "{place}");
            }
        }
        let with_status: Vec<_> = schemas
            .iter()
            .filter(|(_, schema)| schema["properties"].get("filter_status").is_some())
            .collect();
        assert_eq!(with_status.len(), 1, "there is one type of an export");
        let enums: BTreeSet<_> = schemas
            .iter()
            .filter(|(_, schema)| schema.get("enum").is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        let expected = [
            "Column",
            "Compression",
            "CsvDelimiter",
            "CsvLineEnding",
            "Direction",
            "ErrorCode",
            "ExportStatus",
            "FileFormat",
            "MessageStatus",
            "WebhookDeliveryStatus",
            "WebhookEvent",
            "WebhookStatus",
        ];
        assert_eq!(enums, expected.into());
        let referred = |pointer: &str| document.pointer(pointer).unwrap()["$ref"].clone();
        for place in [
            "/components/schemas/Export/properties/status",
            "/paths/~1v1~1exports/get/parameters/2/schema",
        ] {
            assert_eq!(referred(place), "#/components/schemas/ExportStatus");
        }
    });
}

#[test]
fn defaults_are_described() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let direction =
            &document["components"]["schemas"]["CreateExport"]["properties"]["direction"];
        assert_eq!(direction["default"], "outbound");
        for (path, name, default) in [
            ("/v1/exports", "limit", json!(500)),
            ("/v1/exports/{id}/download", "redirect", json!(true)),
        ] {
            let parameters = document["paths"][path]["get"]["parameters"].as_array();
            let parameter = parameters.unwrap().iter().find(|it| it["name"] == name);
            assert_eq!(parameter.unwrap()["schema"]["default"], default, "{name}");
        }
    });
}

#[test]
fn summaries_are_sentences_without_jargon_and_operation_ids_are_names() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        for (path, method, operation) in operations(&document) {
            let summary = operation["summary"].as_str().unwrap();
            let verb = summary.split(' ').next().unwrap();
            let verbs = [
                "Cancel", "Check", "Create", "Delete", "Download", "Enable", "Estimate", "Get",
                "List", "Retry", "Rotate", "Stream", "Test",
            ];
            assert!(verbs.contains(&verb), "{method} {path}: {summary}");
            assert!(summary.split(' ').count() >= 3, "{summary}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                id.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{id}"
            );
        }
    });
}

/// The examples of a response or a request body.
fn examples(content: &Value) -> Vec<&Value> {
    let several = content["examples"].as_object().into_iter().flatten();
    let several = several.map(|(_, example)| &example["value"]);
    content.get("example").into_iter().chain(several).collect()
}

#[test]
fn every_example_is_valid_for_its_operation() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let mut checked = 0;
        for (path, method, operation) in operations(&document) {
            let responses = operation["responses"].as_object().unwrap().values();
            for described in responses.chain([&operation["requestBody"]]) {
                let content = &described["content"]["application/json"];
                for example in examples(content) {
                    let reference = content["schema"]["$ref"].as_str().unwrap();
                    let name = reference.rsplit('/').next().unwrap();
                    let errors: Vec<_> = validator(&document, name)
                        .iter_errors(example)
                        .map(|error| error.to_string())
                        .collect();
                    assert!(errors.is_empty(), "{method} {path}: {errors:?}");
                    checked += 1;
                }
            }
            // A message about a body does not fit an operation that has none.
            let bad = &operation["responses"]["400"]["content"]["application/json"];
            for example in examples(bad) {
                let message = example["error"]["message"].as_str().unwrap();
                let is_about_body = message.contains("payload") || message.contains("end_time");
                let has_body = operation.get("requestBody").is_some();
                assert!(has_body || !is_about_body, "{method} {path}: {message}");
            }
            let forbidden = &operation["responses"]["403"]["content"]["application/json"];
            for example in examples(forbidden) {
                let message = example["error"]["message"].as_str().unwrap();
                let is_about_scope = message.contains("scope write");
                assert!(method != "get" || !is_about_scope, "{path}: {message}");
            }
        }
        assert!(checked > 30, "{checked} examples");
        let create = &document["paths"]["/v1/exports"]["post"];
        let body = &create["requestBody"]["content"]["application/json"]["example"];
        let export = &create["responses"]["201"]["content"]["application/json"]["example"];
        assert_eq!(export["data"]["status"], "pending");
        assert_eq!(export["data"]["filter_statuses"], body["statuses"]);
        let consumer = fixtures.consumer().await;
        consumer.create(body).await;
    });
}

#[test]
fn the_columns_of_the_file_are_described_in_the_document_and_in_the_docs() {
    const DOCS: &str = include_str!("../../../docs/api.md");
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let download = &document["paths"]["/v1/exports/{id}/download"]["get"];
        let described = download["description"].as_str().unwrap();
        for &direction in Direction::ALL {
            let rows: Vec<_> = Column::all_of(direction)
                .iter()
                .map(|column| format!("| `{column}` | {} |", column.meaning()))
                .collect();
            let table = rows.join("\n");
            assert!(described.contains(&table), "{table}\n{described}");
            assert!(DOCS.contains(&table), "docs/api.md lacks\n{table}");
        }
    });
}

/// What generated requests found: the schema allowed bodies and parameters that the API rejects.
#[test]
#[expect(clippy::too_many_lines, reason = "it is mostly a table")]
fn the_schema_of_a_create_accepts_what_the_api_accepts() {
    story(async |fixtures| {
        let document = document(&fixtures).await;
        let schema = validator(&document, "CreateExport");
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
            (json!({"statuses": ["queued", "succeeded"]}), true),
            (json!({"statuses": []}), false),
            (json!({"statuses": ["queued", "queued"]}), false),
            (json!({"statuses": ["lost"]}), false),
            (json!({"status": "queued", "statuses": ["queued"]}), false),
            (json!({"endpoint_ids": [outbound]}), true),
            (json!({"endpoint_ids": [inbound]}), false),
            (
                json!({"endpoint_ids": [outbound], "endpoint_id": outbound}),
                false,
            ),
            (
                json!({"direction": "inbound", "inbound_endpoint_ids": [inbound]}),
                true,
            ),
            (
                json!({"direction": "inbound", "endpoint_ids": [outbound]}),
                false,
            ),
            (json!({"inbound_endpoint_ids": [inbound]}), false),
            (json!({"format": "csv", "csv": {"delimiter": ";"}}), true),
            (json!({"csv": {}}), true),
            (json!({"format": "jsonl", "csv": {}}), false),
            (json!({"csv": {"delimiter": ":"}}), false),
            (json!({"compression": "zstd"}), true),
            (json!({"compression": "snappy"}), false),
            (json!({"format": "jsonl", "compression": "snappy"}), false),
            (json!({"format": "parquet", "compression": "snappy"}), true),
            (json!({"format": "xlsx"}), false),
            (json!({"columns": ["created_at"]}), true),
            (json!({"columns": []}), false),
            (json!({"columns": ["status", "status"]}), false),
            (json!({"columns": ["received_at"]}), false),
            (
                json!({"direction": "inbound", "columns": ["received_at"]}),
                true,
            ),
            (
                json!({"direction": "inbound", "columns": ["created_at"]}),
                false,
            ),
            (json!({"timezone": "Europe/Berlin"}), true),
            (json!({"timezone": ""}), false),
            (json!({"max_rows_per_file": 1000}), true),
            (json!({"max_rows_per_file": 999}), false),
            (json!({"max_rows_per_file": "1000"}), false),
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
