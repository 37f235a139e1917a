//! The test harness.
//!
//! - [`TestDatabase`] is a migrated database for one test. The drop removes it. [`ExportRow`], [`Message`] and [`Endpoint`]
//!   insert any rows into it.
//! - [`Fixture`] is the whole service: a database, an object store, `exports-api` and `exports-worker` as child processes, a
//!   project and its key. [`FixtureBuilder`] has its options.
//! - [`Client`] is a plain HTTP client, and [`Reply`] is its response.
//! - [`Scrape`] parses `/metrics` strictly.
//! - [`Process`] is a program of the service, with its log and signals.
//! - [`Proxy`] is between a service and its database or store, and closes connections, holds bytes, or loses requests.
//! - [`s3`] is an S3 server for one test, in the test's process or Garage.
//! - [`eventually()`] waits for a condition. No test sleeps to wait for an event.
//!
//! ```no_run
//! # use exports_tests::{Fixture, Message, StoreKind};
//! # use serde_json::json;
//! # async fn story() {
//! let fixture = Fixture::builder().store(StoreKind::S3).workers(2).env("EXPORTS_LEASE", "3s").start().await;
//! fixture.insert_messages(&[Message::outbound(fixture.project()).status("succeeded")]).await;
//! let export = fixture.create_export(json!({
//!     "start_time": "2025-12-01T00:00:00Z",
//!     "end_time": "2025-12-07T00:00:00Z",
//! })).await;
//! let id = export["id"].as_str().unwrap();
//! assert_eq!(fixture.wait_until(id, "completed").await["row_count"], 1);
//! let file = fixture.download(id).await;
//! assert!(file.text().starts_with("message_id,"));
//! # }
//! ```
//!
//! An error panics with a message: these are tools for tests.

mod database;
mod eventually;
mod exports;
mod fixture;
mod http;
mod messages;
mod process;
mod proxy;
pub mod s3;
mod scrape;
mod server;
mod tools;

pub use database::TestDatabase;
pub use eventually::{TIMEOUT, eventually, holds_within};
pub use exports::ExportRow;
pub use fixture::{
    Fixture, FixtureBuilder, RunningStore, SIGNING_KEY, StoreKind, Worker, everything, range,
};
pub use http::{Client, Reply, http_client};
pub use messages::{Endpoint, Message, uuid};
pub use process::{Process, program};
pub use proxy::{Loss, Proxy};
pub use scrape::{Scrape, Series};
pub use server::{not_run, private_server, private_standby, standby_of};
pub use tools::tools_folder;
