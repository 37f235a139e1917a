//! The service as it is deployed: each program connects as a role of its own, which may do what
//! `exportctl migrate` has granted it and no more.

use exports_domain::ExportStatus;
use exports_tests::{Endpoint, ExportRow, Fixture, Message, StoreKind, uuid};
use serde_json::{Value, json};

use crate::api::Api;

const OLD: &str = "UPDATE exports SET expires_at = completed_at + interval '1 us'";

#[tokio::test(flavor = "multi_thread")]
async fn exports_live_and_end_under_roles_of_least_privilege() {
    for kind in StoreKind::all().iter().copied() {
        let mut stack = Fixture::builder().store(kind).roles().start().await;
        let endpoint = uuid(7);
        let known = Endpoint::outbound(stack.project(), endpoint, "https://example.com/hook");
        stack.insert_endpoints(&[known]).await;
        let message = Message::outbound(stack.project()).endpoint(endpoint);
        stack.insert_messages(&[message]).await;
        assert_eq!(stack.api().get("/readyz").await.status, 200);

        let request = json!({
            "start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z",
            "endpoint_id": format!("ep_{}", endpoint.simple()),
        });
        let first = ask(&stack, &request).await;
        assert_eq!(ask(&stack, &request).await, first, "the key replays it");
        assert_eq!(stack.wait_until(&first, "completed").await["row_count"], 1);
        assert_eq!(stack.download(&first).await.text().lines().count(), 2);
        let path = format!("/v1/exports/{first}");
        assert_eq!(stack.api().delete(&path).await.status, 204);
        stack.wait_for_store(&[]).await;

        let second = ask(&stack, &request).await;
        assert_ne!(second, first, "deleting it has freed the key");
        stack.wait_until(&second, "completed").await;
        stack.database().execute(OLD).await;
        stack.wait_until(&second, "expired").await;
        stack.wait_for_store(&[]).await;

        lost_work_is_taken_over_or_ended(&stack).await;
        stack.worker(0).terminate();
        assert!(stack.worker(0).wait().await.success());
        let logs = stack.logs();
        assert!(!logs.contains("permission denied"), "{logs}");
    }
}

async fn ask(stack: &Fixture, request: &Value) -> String {
    let reply = Api::new(stack.api().clone())
        .post_keyed("once", request)
        .await;
    let id = reply.expect(201).data()["id"].clone();
    id.as_str().expect("an id").to_owned()
}

/// By the worker's claim and by its janitor.
async fn lost_work_is_taken_over_or_ended(stack: &Fixture) {
    let lost = ExportRow::of(stack.project(), ExportStatus::Processing).lease_ended();
    let exhausted = ExportRow::of(stack.project(), ExportStatus::Processing)
        .with("attempt", 8)
        .lease_ended();
    for (row, status) in [(lost, "completed"), (exhausted, "failed")] {
        let id = row
            .insert_with_object(stack.database().pool(), "writing")
            .await;
        stack.wait_until(&id.to_string(), status).await;
    }
}
