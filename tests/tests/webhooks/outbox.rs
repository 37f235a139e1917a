//! The outbox in the database: which changes write deliveries, and who gets them.

use std::time::Duration;

use exports_database::{
    CreatedWebhook, Database, DeliveryRequest, FailedDelivery, Leased, NewWebhook, WebhookSecret,
    WebhookUse,
};
use exports_domain::{ExportId, ExportStatus, Failure, FailureCode, WebhookEvent, WebhookId};
use exports_tests::{ExportRow, TestDatabase};
use serde_json::json;

const PROJECT: &str = "proj_a";

async fn database() -> TestDatabase {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    database
}

async fn webhook(storage: &Database, events: &[WebhookEvent]) -> WebhookId {
    let new = NewWebhook {
        id: WebhookId::generate(),
        project: PROJECT.parse().unwrap(),
        url: "https://example.com/".to_owned(),
        events: events.to_vec(),
        secret: WebhookSecret::generate(),
    };
    let created = storage.create_webhook(&new).await.unwrap();
    assert!(matches!(created, CreatedWebhook::New(_)));
    new.id
}

fn request(running: &[WebhookUse]) -> DeliveryRequest<'_> {
    DeliveryRequest {
        limit: 10,
        limit_failing: 5,
        per_webhook: 4,
        running,
        lease: Duration::from_mins(1),
    }
}

fn failure() -> Failure {
    Failure {
        code: FailureCode::EndedByOperator,
        message: "Please choose a shorter time range.".to_owned(),
    }
}

/// Fails exports of the project.
async fn fail_exports(database: &TestDatabase, count: usize) {
    for _ in 0..count {
        let row = ExportRow::of(PROJECT, ExportStatus::Pending);
        let id = ExportId(row.insert(database.pool()).await);
        let storage = database.storage();
        storage.force_fail(id, &failure()).await.unwrap();
    }
}

#[tokio::test]
async fn an_event_keeps_the_export_as_it_was_after_its_deletion() {
    let database = database().await;
    let storage = database.storage();
    webhook(&storage, &WebhookEvent::SUBSCRIBABLE).await;
    let row = ExportRow::of(PROJECT, ExportStatus::Pending);
    let id = ExportId(row.insert(database.pool()).await);
    storage.force_fail(id, &failure()).await.unwrap();
    let project = PROJECT.parse().unwrap();
    let before = storage.get_export(&project, id).await.unwrap().unwrap();
    storage.delete_export(&project, id).await.unwrap();

    let mut claims = storage.claim_deliveries(&request(&[])).await.unwrap();
    let delivery = claims.claimed.pop().unwrap().unwrap();
    assert!(claims.claimed.is_empty());
    assert_eq!(delivery.event, WebhookEvent::Failed);
    assert_eq!(delivery.export.as_deref(), Some(&before));
    assert_eq!(delivery.attempt, 1);
    let snapshot = database
        .value("SELECT snapshot ?| ARRAY['lease_token', 'object_key', 'idempotency_key'] FROM webhook_deliveries")
        .await;
    assert_eq!(snapshot, false);
}

#[tokio::test]
async fn an_event_is_written_with_the_change_or_not_at_all() {
    let database = database().await;
    let storage = database.storage();
    webhook(&storage, &[WebhookEvent::Completed]).await;
    webhook(&storage, &[WebhookEvent::Expired]).await;
    let disabled = webhook(&storage, &[WebhookEvent::Expired]).await;
    let project = PROJECT.parse().unwrap();
    storage.disable_webhook(&project, disabled).await.unwrap();
    let row = ExportRow::of(PROJECT, ExportStatus::Completed)
        .with_ago("expires_at", chrono::TimeDelta::seconds(1));
    row.insert_with_object(database.pool(), "kept").await;
    database
        .execute("BEGIN; UPDATE exports SET status = 'expired', object_key = NULL; ROLLBACK")
        .await;
    let count = "SELECT count(*) FROM webhook_deliveries";
    assert_eq!(database.value(count).await, 0);
    assert_eq!(storage.expire_due(10).await.unwrap().len(), 1);
    let events = database
        .rows("SELECT event, status FROM webhook_deliveries")
        .await;
    assert_eq!(
        events,
        [json!({"event": "export.expired", "status": "pending"})]
    );
}

#[tokio::test]
async fn a_lease_fences_the_result_and_a_killed_worker_loses_nothing() {
    let database = database().await;
    let storage = database.storage();
    webhook(&storage, &WebhookEvent::DEFAULT).await;
    fail_exports(&database, 1).await;
    let first = storage.claim_deliveries(&request(&[])).await.unwrap();
    let first = first.claimed.into_iter().next().unwrap().unwrap();
    let none = storage.claim_deliveries(&request(&[])).await.unwrap();
    assert!(none.claimed.is_empty(), "it is leased");
    let left = none.next_due.unwrap();
    assert!(left > Duration::from_secs(50), "{left:?}");

    let end = "UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp()";
    database.execute(end).await;
    let second = storage.claim_deliveries(&request(&[])).await.unwrap();
    let second = second.claimed.into_iter().next().unwrap().unwrap();
    assert_eq!((second.id, second.attempt), (first.id, 2));
    let late = storage.delivered(first.id, first.token, 200).await.unwrap();
    assert_eq!(late, Leased::Lost);
    let held = storage
        .delivered(second.id, second.token, 200)
        .await
        .unwrap();
    assert_eq!(held, Leased::Held(()));
    let again = storage
        .delivered(second.id, second.token, 200)
        .await
        .unwrap();
    assert_eq!(again, Leased::Lost);
}

#[tokio::test]
async fn each_webhook_has_a_share_and_a_failing_one_has_one_place() {
    let database = database().await;
    let storage = database.storage();
    let busy = webhook(&storage, &WebhookEvent::DEFAULT).await;
    let failing = webhook(&storage, &WebhookEvent::DEFAULT).await;
    database
        .execute(format!(
            "UPDATE webhooks SET failing_since = clock_timestamp() WHERE id = '{failing}'"
        ))
        .await;
    fail_exports(&database, 9).await;
    let four = DeliveryRequest {
        limit: 4,
        ..request(&[])
    };
    let claims = storage.claim_deliveries(&four).await.unwrap();
    let claimed: Vec<_> = claims.claimed.into_iter().map(Result::unwrap).collect();
    assert!(
        claimed
            .iter()
            .all(|it| it.webhook == busy && !it.is_failing)
    );
    assert_eq!(claimed.len(), 4);
    let used = [WebhookUse {
        webhook: busy,
        running: 4,
    }];
    let claims = storage.claim_deliveries(&request(&used)).await.unwrap();
    let claimed: Vec<_> = claims.claimed.into_iter().map(Result::unwrap).collect();
    assert_eq!(claimed.len(), 1, "a failing one has one place");
    assert!(claimed[0].webhook == failing && claimed[0].is_failing);
    let running =
        [(busy, 4), (failing, 1)].map(|(webhook, running)| WebhookUse { webhook, running });
    let more = storage.claim_deliveries(&request(&running)).await.unwrap();
    assert!(more.claimed.is_empty());
    assert_eq!(
        more.next_due, None,
        "the end of a delivery is the next event"
    );
}

#[tokio::test]
async fn a_webhook_that_is_gone_drops_its_other_deliveries() {
    let database = database().await;
    let storage = database.storage();
    let id = webhook(&storage, &WebhookEvent::DEFAULT).await;
    fail_exports(&database, 6).await;
    let claims = storage.claim_deliveries(&request(&[])).await.unwrap();
    let claimed: Vec<_> = claims.claimed.into_iter().map(Result::unwrap).collect();
    assert_eq!(claimed.len(), 4);
    let gone = FailedDelivery {
        response_status: Some(410),
        error: "gone",
        pause: None,
        is_gone: true,
        counts: true,
    };
    let five_days = Duration::from_hours(120);
    let first = &claimed[0];
    let recorded = storage
        .delivery_failed(first.id, first.token, &gone, five_days)
        .await;
    assert_eq!(recorded.unwrap(), Leased::Held(true));
    let project = PROJECT.parse().unwrap();
    let webhook = storage.get_webhook(&project, id).await.unwrap().unwrap();
    assert_eq!(
        webhook.disabled_reason,
        Some(exports_domain::DisabledReason::Gone)
    );
    let pending = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'";
    assert_eq!(
        database.value(pending).await,
        3,
        "those that are being sent"
    );
    let released = storage
        .release_delivery(claimed[1].id, claimed[1].token)
        .await;
    assert_eq!(released.unwrap(), Leased::Held(()));
    let claims = storage.claim_deliveries(&request(&[])).await.unwrap();
    assert!(
        claims
            .claimed
            .iter()
            .all(|it| !it.as_ref().unwrap().is_enabled)
    );

    // An operator sends them again.
    storage.enable_webhook(&project, id).await.unwrap();
    assert_eq!(storage.redeliver(&project, id, None).await.unwrap(), 3);
}

#[tokio::test]
async fn old_deliveries_are_pruned_and_a_deleted_project_takes_its_webhooks_along() {
    let database = database().await;
    let storage = database.storage();
    webhook(&storage, &WebhookEvent::DEFAULT).await;
    fail_exports(&database, 3).await;
    let claims = storage.claim_deliveries(&request(&[])).await.unwrap();
    let delivered = claims.claimed.into_iter().next().unwrap().unwrap();
    let recorded = storage.delivered(delivered.id, delivered.token, 200).await;
    assert_eq!(recorded.unwrap(), Leased::Held(()));
    let old = "UPDATE webhook_deliveries SET created_at = created_at - interval '2 hours'";
    database.execute(old).await;
    let day = Duration::from_hours(24);
    assert_eq!(storage.prune_deliveries(day, 10).await.unwrap(), 0);
    let hour = Duration::from_hours(1);
    assert_eq!(storage.prune_deliveries(hour, 10).await.unwrap(), 1);
    database
        .execute("DELETE FROM exports; DELETE FROM projects")
        .await;
    let left = "SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM webhook_deliveries)";
    assert_eq!(database.value(left).await, 0);
}
