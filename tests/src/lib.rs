//! The harness of the tests: everything that a story needs around the thing it tells about.
//!
//! A story takes what it needs and nothing more:
//!
//! - [`TestDatabase`] is a database of its own, migrated, dropped at the end; [`ExportRow`],
//!   [`Message`] and [`Endpoint`] put rows into it, whatever they hold.
//! - [`Fixture`] is the whole service: a database, an object store, the programs `exports-api` and
//!   `exports-worker` as processes, a project and its key.
//! - [`Client`] speaks HTTP and judges nothing; [`Reply`] is what came back.
//! - [`Scrape`] is what a program tells on `/metrics`, read strictly.
//! - [`Process`] is one of our programs, with its log, under every signal.
//! - [`Proxy`] stands between a service and its database or store, and cuts, holds or loses things.
//! - [`s3`] is an S3 server of the test's own: in its process, or a real Garage.
//! - [`eventually()`] waits for a fact. Nothing here sleeps in the hope that something has happened.
//!
//! ```no_run
//! # use exports_tests::{Message, Fixture, StoreKind};
//! # use serde_json::json;
//! # async fn story() {
//! let stack = Fixture::builder().store(StoreKind::S3).workers(2).env("EXPORTS_LEASE", "3s").start().await;
//! stack.insert_messages(&[Message::outbound(stack.project()).status("succeeded")]).await;
//! let export = stack.create_export(json!({
//!     "start_time": "2025-12-01T00:00:00Z",
//!     "end_time": "2025-12-07T00:00:00Z",
//! })).await;
//! let id = export["id"].as_str().unwrap();
//! assert_eq!(stack.wait_until(id, "completed").await["row_count"], 1);
//! let file = stack.download(id).await;
//! assert!(file.text().starts_with("message_id,"));
//! # }
//! ```
//!
//! What a test does wrong ends it by a panic that says so: these are tools for tests.

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

pub use database::TestDatabase;
pub use eventually::{TIMEOUT, eventually, holds_within};
pub use exports::ExportRow;
pub use fixture::{Fixture, FixtureBuilder, RunningStore, StoreKind};
pub use http::{Client, Reply, http_client};
pub use messages::{Endpoint, Message, uuid};
pub use process::{Process, program};
pub use proxy::{Loss, Proxy};
pub use scrape::{Scrape, Series};
pub use server::{not_run, private_server, private_standby, standby_of};
