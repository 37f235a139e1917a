//! The HTTP contract, tested on the real programs: `exports-api` and `exports-worker` over real HTTP, on real PostgreSQL, with
//! files and with S3.
//!
//! Every response passes through `api`, which checks it against the rules for all responses and against the schema in
//! `/openapi.json` for its operation and status.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod api;
mod event_stream;
mod response_rules;
mod shared;
mod wire;

mod audit;
mod auth;
mod bad_bodies;
mod bad_input;
mod bad_requests;
mod buckets;
mod cancel;
mod cors;
mod create;
mod database_restart;
mod delete;
mod disconnects;
mod download;
mod download_clients;
mod envelope;
mod estimate;
mod faults;
mod file_options;
mod get;
mod headers;
mod health;
mod idempotency;
mod limits;
mod links;
mod list;
mod missing_files;
mod openapi;
mod progress;
mod protocol;
mod ranges;
mod relayed;
mod request_timeouts;
mod retry;
mod roles;
mod scopes;
mod secrets;
mod shutdown;
mod split_files;
mod stock_client;
mod streams;
mod times;
mod waiters;
mod waits;
