//! The service with the roles of a deployment: each program has only the rights that `exportctl admin migrate` grants.

use exports_domain::ExportStatus;
use exports_tests::{Endpoint, ExportRow, Fixture, Message, StoreKind, uuid};
use serde_json::{Value, json};

use crate::api::Api;

const OLD: &str = "UPDATE exports SET expires_at = completed_at + interval '1 us'";

#[tokio::test(flavor = "multi_thread")]
async fn the_export_lifecycle_works_with_least_privilege_roles() {
    for kind in StoreKind::all().iter().copied() {
        let mut fixture = Fixture::builder().store(kind).roles().start().await;
        let endpoint = uuid(7);
        let known = Endpoint::outbound(fixture.project(), endpoint, "https://example.com/hook");
        fixture.insert_endpoints(&[known]).await;
        let message = Message::outbound(fixture.project()).endpoint(endpoint);
        fixture.insert_messages(&[message]).await;
        assert_eq!(fixture.api().get("/readyz").await.status, 200);

        let request = json!({
            "start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z",
            "endpoint_id": format!("ep_{}", endpoint.simple()),
        });
        let first = ask(&fixture, &request).await;
        assert_eq!(
            ask(&fixture, &request).await,
            first,
            "the second create is a replay"
        );
        assert_eq!(
            fixture.wait_until(&first, "completed").await["row_count"],
            1
        );
        assert_eq!(fixture.download(&first).await.text().lines().count(), 2);
        let path = format!("/v1/exports/{first}");
        assert_eq!(fixture.api().delete(&path).await.status, 204);
        fixture.wait_for_store(&[]).await;

        let second = ask(&fixture, &request).await;
        assert_ne!(second, first, "the delete released the key");
        fixture.wait_until(&second, "completed").await;
        fixture.database().execute(OLD).await;
        fixture.wait_until(&second, "expired").await;
        fixture.wait_for_store(&[]).await;

        assert_expired_leases_are_taken_over_or_failed(&fixture).await;
        fixture.worker_process(0).terminate();
        assert!(fixture.worker_process(0).wait().await.success());
        let logs = fixture.logs();
        assert!(!logs.contains("permission denied"), "{logs}");
    }
}

async fn ask(fixture: &Fixture, request: &Value) -> String {
    let reply = Api::new(fixture.api().clone())
        .post_keyed("once", request)
        .await;
    let id = reply.expect(201).data()["id"].clone();
    id.as_str().expect("an id").to_owned()
}

/// The claim of the worker takes over one export. The janitor fails the other one, which has no attempts left.
async fn assert_expired_leases_are_taken_over_or_failed(fixture: &Fixture) {
    let lost = ExportRow::of(fixture.project(), ExportStatus::Processing).lease_ended();
    let exhausted = ExportRow::of(fixture.project(), ExportStatus::Processing)
        .with("attempt", 8)
        .lease_ended();
    for (row, status) in [(lost, "completed"), (exhausted, "failed")] {
        let id = row
            .insert_with_object(fixture.database().pool(), "writing")
            .await;
        fixture.wait_until(&id.to_string(), status).await;
    }
}
