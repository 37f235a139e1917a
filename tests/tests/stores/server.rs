//! The S3 servers of these tests.

use std::future::Future;

use exports_tests::s3::S3Server;

use crate::bucket;

#[test]
fn the_server_needs_no_runtime_and_stops_when_it_is_dropped() {
    let server = S3Server::in_process();
    let address = server.endpoint();
    let run = |work: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        tokio::runtime::Runtime::new().unwrap().block_on(work);
    };
    let store = bucket(&server);
    run(Box::pin(async move {
        store.check().await.unwrap();
    }));
    drop(server);
    run(Box::pin(async move {
        assert!(reqwest::get(address).await.is_err());
    }));
}
