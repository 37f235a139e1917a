//! Clients that are not ours, on the real API and worker: the examples of docs/clients, and a client that a generator makes of
//! `/openapi.json`.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod document;
mod examples;
mod generated;
mod tools;
