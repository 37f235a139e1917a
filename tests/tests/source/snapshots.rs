//! Each export reads one snapshot.

use exports_domain::{Column, Direction};
use exports_source::{EndpointUrls, Source, TimeSlice, WorkingTime};
use exports_tests::{Endpoint, Message, uuid};

use crate::support::sessions::{known_urls, read};
use crate::support::{PROJECT, database, filter, project};

#[tokio::test]
async fn changes_after_the_snapshot_are_not_visible() {
    let database = database().await;
    let endpoint = |url: &str| Endpoint::outbound(PROJECT, uuid(0), url);
    Endpoint::insert(database.pool(), &[endpoint("https://old")]).await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 3).await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    database
        .execute(
            "DELETE FROM messages WHERE created_at < '2025-12-01T00:00:01Z';
             UPDATE messages SET status = 'queued', attempt_count = 99;
             INSERT INTO messages SELECT gen_random_uuid(), project_id, direction, endpoint_id, status, 1, created_at FROM messages;
             UPDATE endpoints SET url = 'https://new'",
        )
        .await;
    let urls = session
        .endpoint_urls(Direction::Outbound, 10)
        .await
        .unwrap();
    let expected = [(uuid(0), "https://old".to_owned())].into();
    assert_eq!(urls, EndpointUrls::All(expected));
    let rows = read(&mut session, &filter(), &EndpointUrls::InRows).await;
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert_eq!(row.attempt_count, Some(1));
        assert_eq!(row.url.as_deref(), Some("https://old"));
    }
    // The next snapshot shows all changes.
    let mut session = session.finish().await.unwrap();
    session.begin(&project()).await.unwrap();
    assert_eq!(read(&mut session, &filter(), &known_urls()).await.len(), 4);
}

#[tokio::test]
async fn changes_during_the_stream_are_not_visible() {
    let database = database().await;
    // More than fits into the buffers between the server and the test.
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 100_000).await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let slice = TimeSlice::whole(&filter().range);
    let url = known_urls().column();
    let mut rows = session
        .rows(
            &filter(),
            slice,
            Column::all_of(filter().direction),
            url,
            &WorkingTime::default(),
        )
        .await
        .unwrap();
    let mut bytes = Vec::new();
    assert!(rows.read(&mut bytes, 1).await.unwrap());
    database.execute("DELETE FROM messages").await;
    while rows.read(&mut bytes, usize::MAX).await.unwrap() {}
    assert_eq!(crate::support::sessions::decode(&bytes).len(), 100_000);
    session.finish().await.unwrap();
}
