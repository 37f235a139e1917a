//! `docs/reference/http.md`: every operation and every type of the HTTP API, from `/openapi.json`.

mod operation;
mod schema;

use std::fmt::Write;

use serde_json::Value;

use crate::page::Page;
use operation::operation;
use schema::schema;

const INTRODUCTION: &str = "\
# HTTP API

Every operation and every type of the API. A running `exports-api` serves the same description as OpenAPI 3.1 at `/openapi.json`. \
[The HTTP API and the file](../api.md) explains how the parts fit together.

The tables of the responses do not repeat what is the same everywhere:

- Every response has the headers `X-Request-Id`, `Cache-Control` and `X-Content-Type-Options`, and `X-Trace-Id` if the request has \
a trace.
- Every error, from 400 on, has the body [ErrorResponse](#errorresponse) and the header `Vary`. A client that asks for \
`application/problem+json` gets [ProblemDetails](#problemdetails).";

/// The page.
pub(crate) fn page(document: &Value) -> Page {
    let mut text = format!("{INTRODUCTION}\n");
    for tag in tags(document) {
        write!(text, "\n## {}\n", title(&tag)).expect("a string grows");
        for (method, path, value) in operations(document) {
            if value["tags"][0].as_str().unwrap_or_default() == tag {
                text.push_str(&operation(document, method, path, value));
            }
        }
    }
    text.push_str("\n## Types\n");
    let schemas = document["components"]["schemas"].as_object();
    for (name, value) in schemas.into_iter().flatten() {
        text.push_str(&schema(name, value));
    }
    Page::whole("docs/reference/http.md", &text)
}

/// In the order of the document.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        ["get", "post", "put", "patch", "delete"]
            .into_iter()
            .filter_map(move |method| Some((method, path.as_str(), item.get(method)?)))
    })
}

fn tags(document: &Value) -> Vec<String> {
    let mut tags = Vec::new();
    for (_, _, value) in operations(document) {
        let tag = value["tags"][0].as_str().unwrap_or_default().to_owned();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn title(tag: &str) -> &str {
    if tag.is_empty() { "Operations" } else { tag }
}
