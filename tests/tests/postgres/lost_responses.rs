//! Connections that break after the statement was sent.

use exports_database::{
    BatchLoader, Created, Database, FileLookup, Leased, ListRequest, NewExport,
};
use exports_domain::{Direction, EndpointId, ExportId, ExportStatus};
use exports_postgres::PoolPurpose;
use exports_source::Source;
use exports_tests::{Loss, Proxy, TIMEOUT, TestDatabase, eventually, uuid};
use futures_util::future::try_join_all;
use serde_json::json;

use crate::support::{claim, database, finished_file, new_export, project, queue};

/// A database, and a pool that connects through a proxy.
async fn behind_a_proxy() -> (TestDatabase, Proxy, Database) {
    let database = database().await;
    let proxy = Proxy::to_postgres(database.url()).await;
    let storage = Database::new(&proxy.url(database.url()), PoolPurpose::Api).unwrap();
    (database, proxy, storage)
}

#[tokio::test]
async fn a_create_with_a_lost_response_creates_one_export() {
    let (database, proxy, storage) = behind_a_proxy().await;
    for loss in [Loss::Reply, Loss::Request] {
        for idempotency_key in [None, Some(format!("k-{loss:?}"))] {
            let new = NewExport {
                idempotency_key,
                limits: exports_database::CreateLimits::default(),
                ..new_export()
            };
            let lost_before = proxy.lost();
            // The id is among the insert's parameters: by then the server is about to run it.
            proxy.lose_at(loss, new.id.0.as_bytes());
            let created = storage.create_export(&new).await.unwrap();
            let Created::New(export) = created else {
                panic!("{loss:?}: {created:?}")
            };
            assert_eq!(export.id, new.id);
            assert_eq!(export.state.status(), ExportStatus::Pending);
            assert_eq!(proxy.lost(), lost_before + 1, "{loss:?}");
            let sql = format!("SELECT count(*) FROM exports WHERE id = '{}'", new.id);
            assert_eq!(database.value(&sql).await, json!(1), "{loss:?}");
        }
    }
    assert_eq!(
        database.value("SELECT count(*) FROM exports").await,
        json!(4)
    );
}

#[tokio::test]
async fn a_create_with_three_lost_responses_creates_one_export() {
    let (database, proxy, storage) = behind_a_proxy().await;
    let new = new_export();
    for _ in 0..3 {
        proxy.lose_at(Loss::Reply, new.id.0.as_bytes());
    }
    let created = storage.create_export(&new).await.unwrap();
    assert!(matches!(created, Created::New(_)), "{created:?}");
    assert_eq!(proxy.lost(), 3);
    assert_eq!(
        database.value("SELECT count(*) FROM exports").await,
        json!(1)
    );
}

#[tokio::test]
async fn a_completion_with_a_lost_response_can_be_repeated() {
    let (database, proxy, storage) = behind_a_proxy().await;
    let id = queue(&database, project().as_str(), 1).await[0];
    let claimed = claim(&storage).await.unwrap();
    let complete = async || {
        storage
            .complete(claimed.lease, &claimed.object_key, &finished_file())
            .await
    };
    proxy.lose_at(Loss::Reply, claimed.object_key.as_bytes());
    let error = complete().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let row = database.export_row(id).await;
    let Leased::Held(expires_at) = complete().await.unwrap() else {
        panic!("the export is completed")
    };
    assert_eq!(
        database.export_row(id).await,
        row,
        "the first call completed the export"
    );
    let stored = database.export_column(id, "expires_at").await;
    let stored: chrono::DateTime<chrono::Utc> = stored.as_str().unwrap().parse().unwrap();
    assert_eq!(stored, expires_at);
}

#[tokio::test]
async fn the_pool_reconnects_after_a_database_outage() {
    let (_database, proxy, storage) = behind_a_proxy().await;
    storage.ping().await.unwrap();
    proxy.make_unavailable();
    let error = storage.ping().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let error = storage.check().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    proxy.restore();
    eventually("the pool finds the database again", TIMEOUT, async || {
        storage.ping().await.ok()
    })
    .await;
    let created = storage.create_export(&new_export()).await.unwrap();
    assert!(matches!(created, Created::New(_)));
}

#[tokio::test]
async fn broken_idle_connections_are_not_used() {
    let (_database, proxy, storage) = behind_a_proxy().await;
    // Four connections, idle for longer than the pool uses one without a check.
    let pings = (0..4).map(|_| storage.ping());
    try_join_all(pings).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    proxy.cut();
    for _ in 0..4 {
        storage.ping().await.unwrap();
    }
}

/// A restart of the server closes all connections, also those that were just used.
#[tokio::test]
async fn a_read_over_a_closed_connection_is_retried_over_another() {
    let (database, proxy, storage) = behind_a_proxy().await;
    let project = project();
    let id = ExportId(queue(&database, project.as_str(), 1).await[0]);
    let new = NewExport {
        label: None,
        retry_of: None,
        idempotency_key: Some("a-key".into()),
        traceparent: None,
        limits: exports_database::CreateLimits::default(),
        ..new_export()
    };
    storage.create_export(&new).await.unwrap();
    let key = storage.create_key(&project, None).await.unwrap().unwrap();
    let list = ListRequest {
        limit: 10,
        after: None,
        status: None,
    };
    let lookups = BatchLoader::new(storage.clone());

    let cut_unnoticed = async || {
        let pings = (0..4).map(|_| storage.ping());
        try_join_all(pings).await.unwrap();
        // The pool has not noticed that the connections are closed.
        proxy.cut();
    };
    cut_unnoticed().await;
    assert!(storage.get_export(&project, id).await.unwrap().is_some());
    cut_unnoticed().await;
    assert!(lookups.get(&project, id).await.unwrap().is_some());
    cut_unnoticed().await;
    let page = storage.list_exports(&project, list).await.unwrap();
    assert_eq!(page.exports.len(), 2);
    cut_unnoticed().await;
    let file = storage.find_file(Some(&project), id).await.unwrap();
    assert_eq!(file, FileLookup::NotReady(ExportStatus::Pending));
    cut_unnoticed().await;
    let owner = storage.authenticate(&key.secret).await.unwrap();
    assert_eq!(owner.unwrap().project, project);
    cut_unnoticed().await;
    let source = Source::same_as(&storage);
    let unknown = [EndpointId(uuid(0))];
    let known = source.has_endpoints(&project, Direction::Outbound, &unknown);
    assert!(!known.await.unwrap());
    cut_unnoticed().await;
    let replayed = storage.find_replay(&new).await.unwrap();
    assert!(
        matches!(replayed, Some(Created::Replayed(_))),
        "{replayed:?}"
    );
}
