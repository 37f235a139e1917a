//! The rules for every response, and the schemas of `/openapi.json`. `api` checks responses with them.

use std::collections::HashMap;

use exports_tests::{Client, Reply};
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Headers with a meaning for clients. A response has them only where the document describes them.
const HEADERS: [&str; 16] = [
    "allow",
    "cache-control",
    "content-range",
    "etag",
    "idempotency-replayed",
    "link",
    "location",
    "preference-applied",
    "ratelimit",
    "ratelimit-policy",
    "repr-digest",
    "retry-after",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
    "x-trace-id",
];

static RULES: OnceCell<ResponseRules> = OnceCell::const_new();

/// The document and the schemas in it.
pub(crate) struct ResponseRules {
    pub(crate) document: Value,
    error: Validator,
    problem: Validator,
    /// The schema of each response body, by path, method and status.
    bodies: HashMap<(String, String, String), Validator>,
}

impl ResponseRules {
    /// Loads the document once. It is the same for every service, except for the server's address.
    pub(crate) async fn of(client: &Client) -> &'static Self {
        RULES
            .get_or_init(|| async {
                let reply = client.without_key().get("/openapi.json").await;
                Self::read(reply.expect(200).json())
            })
            .await
    }

    fn read(document: Value) -> Self {
        let mut bodies = HashMap::new();
        for (path, method, operation) in operations(&document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let schema = &response["content"]["application/json"]["schema"];
                if !schema.is_null() {
                    let place = (path.to_owned(), method.to_owned(), status.clone());
                    bodies.insert(place, validator(&document, schema));
                }
            }
        }
        let named = |name| json!({ "$ref": format!("#/components/schemas/{name}") });
        Self {
            error: validator(&document, &named("ErrorResponse")),
            problem: validator(&document, &named("ProblemDetails")),
            bodies,
            document,
        }
    }

    /// Checks a response against all rules.
    #[track_caller]
    pub(crate) fn check(&self, method: &Method, path: &str, reply: &Reply) {
        let case = format!("{method} {path} {}", reply.status);
        let id = reply.header("x-request-id").expect(&case);
        assert!(
            id.len() > "req_".len() && id.starts_with("req_"),
            "{case}: {id}"
        );
        self.check_headers(&case, method, path, reply);
        if method == Method::HEAD || matches!(reply.status, 204 | 304) {
            assert!(reply.body.is_empty(), "{case} has a body");
            return;
        }
        if path.starts_with("/files/") && matches!(reply.status, 200 | 206) {
            return;
        }
        let kind = reply.header("content-type");
        if kind == Some("application/problem+json") {
            let problem = reply.json();
            assert!(reply.status >= 400 && problem["request_id"] == id, "{case}");
            assert!(self.problem.is_valid(&problem), "{case}: {problem:#}");
            return;
        }
        assert_eq!(kind, Some("application/json"), "{case}");
        let body = reply.json();
        if path != "/openapi.json" || reply.status != 200 {
            assert_eq!(body["meta"]["request_id"], id, "{case}");
            let content = if reply.status < 400 { "data" } else { "error" };
            let shape: Vec<_> = body.as_object().unwrap().keys().collect();
            assert_eq!(shape, [content, "meta"], "{case}");
            check_values(&case, "", &body);
        }
        self.check_schema(&case, method, path, reply.status, &body);
    }

    fn check_schema(&self, case: &str, method: &Method, path: &str, status: u16, body: &Value) {
        let validator = match self.operation(method, path) {
            Some((path, method)) => self
                .bodies
                .get(&(path.to_owned(), method.clone(), status.to_string()))
                .or_else(|| {
                    self.bodies
                        .get(&(path.to_owned(), method, "default".into()))
                })
                .unwrap_or_else(|| panic!("{case} is not described")),
            None => &self.error,
        };
        let errors: Vec<_> = validator
            .iter_errors(body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{case}: {errors:?}\n{body:#}");
    }

    fn check_headers(&self, case: &str, method: &Method, path: &str, reply: &Reply) {
        let nosniff = reply.header("x-content-type-options");
        assert_eq!(nosniff, Some("nosniff"), "{case}");
        let cache_control = reply.header("cache-control").expect(case);
        let Some((path, method)) = self.operation(method, path) else {
            return;
        };
        let responses = &self.document["paths"][path][&method]["responses"];
        let response = responses
            .get(reply.status.to_string())
            .unwrap_or(&responses["default"]);
        let described = response["headers"].as_object().expect(case);
        for name in HEADERS {
            let described = described.keys().any(|key| key.eq_ignore_ascii_case(name));
            assert!(
                described || reply.header(name).is_none(),
                "{case}: the header {name} is not described"
            );
        }
        let described = &described["Cache-Control"]["description"];
        assert_eq!(*described, format!("`{cache_control}`"), "{case}");
    }

    /// The path template and the method of the operation in the document.
    fn operation(&self, method: &Method, path: &str) -> Option<(&str, String)> {
        let method = match *method {
            Method::HEAD => "get".to_owned(),
            ref method => method.as_str().to_ascii_lowercase(),
        };
        let (template, _, _) = operations(&self.document)
            .find(|(template, known, _)| *known == method && matches(template, path))?;
        Some((template, method))
    }
}

/// Path, method and description of every operation.
pub(crate) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        item.iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn matches(template: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    template
        .split('/')
        .all(|part| parts.next().is_some_and(|it| part == "{id}" || part == it))
        && parts.next().is_none()
}

fn validator(document: &Value, schema: &Value) -> Validator {
    // Includes the components, so that references resolve as in the document.
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    close(&mut schema);
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema of the document")
}

/// Makes every schema reject properties that it does not describe, so that the document must be complete.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("properties").is_some_and(Value::is_object) {
                object.insert("additionalProperties".to_owned(), false.into());
            }
            object.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fails on a null and on a time whose fraction does not have 0, 3 or 6 digits.
fn check_values(case: &str, name: &str, value: &Value) {
    match value {
        Value::Null => panic!("{case}: {name} is null"),
        Value::Array(items) => items.iter().for_each(|item| check_values(case, name, item)),
        Value::Object(object) => object
            .iter()
            .for_each(|(name, value)| check_values(case, name, value)),
        Value::String(text) if name.ends_with("_at") || name.ends_with("_time") => {
            assert!(is_wire_time(text), "{case}: {name} is {text:?}");
        }
        Value::String(_) | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `2025-12-01T00:00:00Z`, or the same with 3 or 6 digits after a point.
pub(crate) fn is_wire_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    matches!(
        &*shape,
        "0000-00-00T00:00:00Z" | "0000-00-00T00:00:00.000Z" | "0000-00-00T00:00:00.000000Z"
    )
}
