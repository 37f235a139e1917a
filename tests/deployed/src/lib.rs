//! The service as an operator deploys it: PostgreSQL, an S3 store and the three images, in containers, on two networks.
//!
//! A test is a [`story()`] with a [`Deployment`]. It uses the service like a consumer, over HTTP and through the signed link. It
//! accesses the database and the bucket only to insert messages and to check that nothing is left. The faults are those of a
//! cluster: a container is killed, paused, stopped or disconnected from a network.
//!
//! ```no_run
//! # use exports_deployed::{Plan, outbound, story};
//! # fn a_test() {
//! story(Plan::default(), async |it| {
//!     it.insert_messages(1_000).await;
//!     let id = it.create_export(outbound()).await;
//!     it.file_is_right(&id).await;
//!     it.nothing_is_left_over().await;
//! });
//! # }
//! ```
//!
//! The Docker engine must run on this machine, on Linux, because the proxies listen on the gateway of the containers' network.
//!
//! Everything of a run has its label, and the reaper removes it.

mod compose;
mod consumer;
mod containers;
mod deployment;
mod engine;
mod expected;
mod garage;
mod leftovers;
mod messages;
mod network;
mod plan;
mod pod;
mod postgres;
mod program;
mod reaper;
mod secrets;
mod store;
mod story;

pub use compose::{Compose, both};
pub use consumer::{inbound, outbound, with};
pub use deployment::Deployment;
pub use engine::image_details;
pub use garage::Garage;
pub use messages::PROJECT;
pub use network::Network;
pub use plan::Plan;
pub use postgres::Postgres;
pub use program::Program;
pub use story::{figure, story};
