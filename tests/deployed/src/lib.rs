//! The service as an operator deploys it: `PostgreSQL`, a real S3 store and the three images, in
//! containers, on two networks, with nothing that a deployment would not give them.
//!
//! A test is a [`story()`] about a [`Deployment`]. It acts as a consumer does, through HTTP and the
//! signed link; it looks into the database and the bucket only to arrange what is exported and to
//! see that nothing is left over. Faults are those of a cluster: a container is killed, paused,
//! stopped or cut off from a network.
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
//! The engine has to be this machine's own, on Linux: what stands between containers and the test
//! listens at the gateway of their network.
//!
//! Everything of a run carries its label and is removed at its end, however that comes.

mod consumer;
mod containers;
mod deployment;
mod engine;
mod expected;
mod garage;
mod guardian;
mod messages;
mod network;
mod plan;
mod pod;
mod postgres;
mod program;
mod secrets;
mod store;
mod story;
mod tidiness;

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
