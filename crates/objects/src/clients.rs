//! The `object_store` clients of a bucket, configured from the cloud's usual environment variables.

mod azure;
mod common;
mod gcs;
mod retry_profile;
mod s3;

pub(crate) use azure::azure;
pub use common::Clients;
pub(crate) use common::Names;
pub(crate) use gcs::gcs;
pub(crate) use s3::s3;

#[cfg(test)]
mod tests;
