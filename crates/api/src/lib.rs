//! The HTTP API: what consumers ask for exports with, and how they are answered.
//!
//! One file per endpoint holds its request, handler, response and tests. Around them: `router`
//! (which path is whose), `request_id`, `guard` and `auth` (what every request passes through,
//! from the outside in), `error` and `error_code` (every refusal, mapped to code and status once),
//! `envelope` and `export_json` (what is sent), `query`, `body`, `path`, `cursor`, `range`, `etag` and `redirects`
//! (what is read). `start` opens what the API needs, `server` runs it, `metrics` is what it counts, and
//! `healthcheck` asks it how it is.
//!
//! What an export is, is `domain`'s; how it is stored, `storage`'s and `objects`'.

mod api_key_cache;
mod authorization_forwarding;
mod body;
mod create_export;
mod cursor;
mod delete_export;
mod download_export;
mod download_file;
mod envelope;
mod error;
mod error_code;
mod etag;
mod export_json;
mod get_export;
mod health;
mod healthcheck;
mod list_exports;
mod metrics;
mod middleware;
mod openapi;
mod path;
mod query;
mod range;
mod request_id;
mod router;
mod server;
mod start;
mod state;

pub use healthcheck::HealthCheck;
pub use server::Server;
pub use start::Settings;
