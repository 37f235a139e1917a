//! The mistakes that operators make, each with the one line that it gives.
//!
//! Every mistake runs the real program with a real PostgreSQL, a real S3 server and real sockets. The lines of one kind are
//! together, so that they can be read as a whole: the subject comes first, then the problem, then what to do.

mod commands;
mod database;
mod files;
mod network;
mod settings;
mod store;
mod table;
mod world;

use table::review;
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_is_reported_in_one_line() {
    let world = World::start().await;
    review(&world, settings::mistakes(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_file_is_reported_in_one_line() {
    let world = World::start().await;
    review(&world, files::mistakes(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_database_is_reported_in_one_line() {
    let world = World::start().await;
    review(&world, database::mistakes(&world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_store_is_reported_in_one_line() {
    let world = World::start().await;
    review(&world, store::mistakes(&world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_address_or_certificate_is_reported_in_one_line() {
    let world = World::start().await;
    review(&world, network::mistakes(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_is_reported_in_one_line() {
    let world = World::start().await;
    review(&world, commands::mistakes()).await;
}
