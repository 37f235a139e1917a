//! `DELETE /v1/exports/{id}`.

use exports_domain::ExportStatus;
use exports_tests::{Client, StoreKind};
use reqwest::Method;

use crate::api::assert_refused;
use crate::shared::{id_of, path, story};

#[test]
fn delete_removes_the_export_its_file_and_its_links() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let kept = id_of(&consumer.completed().await);
            let id = id_of(&consumer.completed().await);
            let link = consumer.link(&id).await;
            let key = consumer.fixture.object_key(&id).await;
            assert!(consumer.fixture.store_listing().contains(&key), "{store:?}");

            let reply = consumer.api.delete(&path(&id)).await;
            assert_eq!(reply.status, 204);
            // Immediately, without a sweep.
            assert!(
                !consumer.fixture.store_listing().contains(&key),
                "{store:?}"
            );
            for path in [path(&id), format!("{}/download", path(&id))] {
                let reply = consumer.api.get(&path).await;
                assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
            }
            let again = consumer.api.delete(&path(&id)).await;
            assert_refused(&again, 404, "NOT_FOUND", &["Export not found"]);
            let listed = consumer.api.get("/v1/exports").await.expect(200).data();
            let listed: Vec<_> = listed.as_array().unwrap().iter().map(id_of).collect();
            assert_eq!(listed, std::slice::from_ref(&kept));

            let client = Client::new("");
            let dead = client
                .send(client.request(Method::GET, link.as_str()))
                .await;
            assert_eq!(dead.status, 404, "{store:?}");
            if store == StoreKind::File {
                assert_refused(
                    &consumer.follow(&link).await,
                    404,
                    "NOT_FOUND",
                    &["not found"],
                );
            }
            let other = consumer.link(&kept).await;
            let alive = client
                .send(client.request(Method::GET, other.as_str()))
                .await;
            assert_eq!(alive.status, 200, "{store:?}");
            let left = consumer
                .fixture
                .database()
                .rows("SELECT export_id FROM export_objects");
            let left = left.await;
            assert!(
                left.iter().all(|row| row["export_id"] != *id),
                "no record is left"
            );
        }
    });
}

#[test]
fn exports_in_a_terminal_status_can_be_deleted() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for status in [
            ExportStatus::Completed,
            ExportStatus::Failed,
            ExportStatus::Expired,
        ] {
            let id = consumer.put(consumer.row(status)).await;
            let reply = consumer.api.delete(&path(&id)).await;
            assert_eq!(reply.status, 204, "{status}");
            assert_eq!(consumer.api.get(&path(&id)).await.status, 404, "{status}");
        }
    });
}

#[test]
fn deleting_a_pending_or_processing_export_is_409() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for status in [ExportStatus::Pending, ExportStatus::Processing] {
            let id = consumer.put(consumer.row(status)).await;
            let reply = consumer.api.delete(&path(&id)).await;
            assert_refused(&reply, 409, "EXPORT_ACTIVE", &["pending or processing"]);
            assert_eq!(consumer.get(&id).await["status"], status.as_str());
        }
    });
}

#[test]
fn one_of_several_concurrent_deletes_succeeds() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = id_of(&consumer.completed().await);
        let path = path(&id);
        let deletes = (0..8).map(|_| consumer.api.delete(&path));
        let replies = futures_util::future::join_all(deletes).await;
        let count = |status| replies.iter().filter(|it| it.status == status).count();
        assert_eq!((count(204), count(404)), (1, 7));
    });
}
