//! Links that a bucket signs: permissions and expiry.

use std::time::Duration;

use bytes::Bytes;
use exports_tests::s3::S3Server;

use crate::{KEY, MINUTE, bucket, bucket_with, download, headers};

on_each_server!(
    a_link_allows_one_method_and_only_the_stored_headers,
    a_link_is_signed_for_the_public_endpoint,
    a_link_serves_one_object_until_it_expires,
);

async fn a_link_is_signed_for_the_public_endpoint(server: S3Server) {
    let public = format!("http://localhost:{}", server.port());
    let store = bucket_with(&server, "/p", Some(public.clone()));
    store
        .put(KEY, Bytes::from_static(b"a\r\n"), &headers())
        .await
        .unwrap();
    let url = store.sign(KEY, MINUTE).await.unwrap().unwrap();
    assert!(
        url.as_str()
            .starts_with(&format!("{public}/exports/p/proj_1/")),
        "{url}"
    );
    assert_eq!(download(&store, KEY).await, "a\r\n");

    // The signature covers the host: the same link with the private address is rejected.
    let ours = url.as_str().replacen("localhost", "127.0.0.1", 1);
    assert_eq!(reqwest::get(ours).await.unwrap().status(), 403);
}

async fn a_link_serves_one_object_until_it_expires(server: S3Server) {
    let store = bucket(&server);
    for key in [KEY, "proj_2/other/1-token.csv"] {
        store
            .put(key, Bytes::from_static(b"a\r\n"), &headers())
            .await
            .unwrap();
    }
    let url = store.sign(KEY, MINUTE).await.unwrap().unwrap();
    let (signed, signature) = url.as_str().split_at(url.as_str().len() - 1);
    let other_digit = if signature == "0" { "1" } else { "0" };
    for forged in [
        url.as_str().replacen(KEY, "proj_2/other/1-token.csv", 1),
        url.as_str()
            .replacen("X-Amz-Expires=60", "X-Amz-Expires=61", 1),
        format!("{signed}{other_digit}"),
    ] {
        assert_ne!(forged, url.as_str());
        let status = reqwest::get(&forged).await.unwrap().status();
        assert_eq!(status, 403, "{forged}");
    }
    let range = reqwest::Client::new()
        .get(url.clone())
        .header("Range", "bytes=1-1");
    let range = range.send().await.unwrap();
    assert_eq!(
        (
            range.status().as_u16(),
            range.text().await.unwrap().as_str()
        ),
        (206, "\r")
    );

    let brief = store
        .sign(KEY, Duration::from_secs(1))
        .await
        .unwrap()
        .unwrap();
    // The link must expire by the clock of the store, which has a resolution of one second.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    // Amazon's S3 answers 403 (by its documentation), Garage 400.
    let over = if server.is_garage() { 400 } else { 403 };
    assert_eq!(reqwest::get(brief).await.unwrap().status(), over, "expired");
    assert_eq!(reqwest::get(url.clone()).await.unwrap().status(), 200);
    store.delete(KEY).await.unwrap();
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
}

async fn a_link_allows_one_method_and_only_the_stored_headers(server: S3Server) {
    let store = bucket(&server);
    store
        .put(KEY, Bytes::from_static(b"a\r\n"), &headers())
        .await
        .unwrap();
    let url = store.sign(KEY, MINUTE).await.unwrap().unwrap();
    let client = reqwest::Client::new();
    let head = client.head(url.clone()).send().await.unwrap();
    assert_eq!(head.status(), 403);
    let mut other = url.clone();
    other
        .query_pairs_mut()
        .append_pair("response-content-type", "text/html");
    assert_eq!(reqwest::get(other).await.unwrap().status(), 403);

    let above_a_week = Duration::from_hours(24 * 7 + 1);
    let long = store.sign(KEY, above_a_week).await.unwrap().unwrap();
    let status = reqwest::get(long).await.unwrap().status();
    // Garage rejects links above a week, as Amazon S3 does (by its documentation). `s3s-fs` has no limit.
    assert_eq!(status, if server.is_garage() { 400 } else { 200 });
}
