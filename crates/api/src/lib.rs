//! The HTTP API for the consumers of exports.
//!
//! One file per endpoint: request, handler, response, documented errors and tests. `router` maps paths to them. Every request
//! passes the layers in `middleware`. `error` maps every error to a code, a message and headers; `error_code` maps the code to a
//! status. `start` opens the dependencies and `server` runs the API.
//!
//! `domain` defines exports; `database` and `objects` store them.

mod accept;
mod api_key_cache;
mod audit;
mod authorization_forwarding;
mod body;
mod caching;
mod caller;
mod cancel_export;
mod client_address;
mod console;
mod create_export;
mod cursor;
mod delete_export;
mod download_export;
mod download_file;
mod envelope;
mod error;
mod error_body;
mod error_code;
mod error_code_schema;
mod error_responses;
mod estimate_export;
mod etag;
mod event_stream;
mod export_events;
mod faults;
mod file_link;
mod file_readers;
mod get_export;
mod health;
mod healthcheck;
mod idempotency_key;
mod json_fields;
mod limits;
mod list_exports;
mod live;
mod manifest;
mod manifest_key;
mod metrics;
mod middleware;
mod missing_file;
mod openapi;
mod pages;
mod path;
mod prefer;
mod project_events;
mod query;
mod range;
mod reference;
mod request_id;
mod retry_export;
mod router;
mod server;
mod start;
mod state;
mod wait;
mod webhooks;

pub use healthcheck::HealthCheck;
pub use server::Server;
pub use start::Settings;
