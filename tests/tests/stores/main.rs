//! The suite that every store of this machine must pass, and tests of buckets only: links, lost responses, faults.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use bytes::Bytes;
use exports_objects::{FileHeaders, Store, StoreConfig};
use exports_tests::s3::S3Server;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

/// Makes two tests of each function: one on the S3 server in this process, one on Garage if it is installed.
macro_rules! on_each_server {
    ($($story:ident),+ $(,)?) => {
        mod on_s3s_fs {
            $(#[tokio::test]
            async fn $story() {
                super::$story(exports_tests::s3::S3Server::in_process()).await;
            })+
        }

        mod on_garage {
            $(#[tokio::test]
            async fn $story() {
                // `garage()` prints a line if Garage is missing.
                if let Some(server) = exports_tests::s3::S3Server::garage() {
                    super::$story(server).await;
                }
            })+
        }
    };
}

mod certificates;
mod check;
mod directory;
mod failed_requests;
mod links;
mod permanent_errors;
mod server;
mod suite;
mod temporary_errors;

pub(crate) const KEY: &str = "proj_1/0190a1b2-0000-7000-8000-000000000001/1-token.csv";
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

pub(crate) fn headers() -> FileHeaders {
    FileHeaders::attachment("export-0190a1b2.csv", "text/csv; charset=utf-8")
}

pub(crate) fn bucket_with(
    server: &S3Server,
    prefix: &str,
    public_endpoint: Option<String>,
) -> Store {
    let config = StoreConfig {
        url: format!("{}{prefix}", server.url()),
        public_endpoint,
    };
    Store::open_with(&config, server.env()).unwrap()
}

/// A store with further variables besides those of every client of the server.
pub(crate) fn bucket_set(server: &S3Server, variables: &[(&str, &str)]) -> Store {
    let config = StoreConfig {
        url: server.url(),
        public_endpoint: None,
    };
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables = server.env().into_iter().chain(variables.iter().map(own));
    Store::open_with(&config, variables).unwrap()
}

pub(crate) fn bucket(server: &S3Server) -> Store {
    bucket_with(server, "", None)
}

/// Pseudo-random bytes, so that swapped or missing parts are detected.
pub(crate) fn content(length: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// The file as a consumer downloads it.
pub(crate) async fn download(store: &Store, key: &str) -> Bytes {
    let Some(url) = store.sign(key, MINUTE).await.unwrap() else {
        return read(store, key).await;
    };
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/csv; charset=utf-8");
    let disposition = &answer.headers()[CONTENT_DISPOSITION];
    assert_eq!(disposition, "attachment; filename=\"export-0190a1b2.csv\"");
    answer.bytes().await.unwrap()
}

/// The file as the API reads it.
pub(crate) async fn read(store: &Store, key: &str) -> Bytes {
    let found = store.read(key, None).await.unwrap();
    let bytes: Vec<_> = found.bytes.try_collect().await.unwrap();
    let bytes = bytes.concat();
    assert_eq!(found.size, bytes.len() as u64);
    bytes.into()
}

/// Uploads `parts` concurrently.
pub(crate) async fn upload(store: &Store, key: &str, parts: impl IntoIterator<Item = Bytes>) {
    let mut upload = store.begin_upload(key, &headers()).await.unwrap();
    let sent: Vec<_> = parts
        .into_iter()
        .map(|part| upload.put_part(part))
        .collect();
    // The last part is sent first: the order of the `put_part` calls counts, not that of the requests.
    try_join_all(sent.into_iter().rev()).await.unwrap();
    upload.complete().await.unwrap();
}
