//! Downloads: the correct file, through a link without a key, until it expires.

use exports_deployed::{Deployment, PROJECT, Plan, inbound, outbound, story, with};
use exports_tests::{Endpoint, Message, uuid};
use reqwest::Method;
use serde_json::{Value, json};

#[test]
fn an_export_of_many_messages_is_downloaded_completely_by_link() {
    story(Plan::default(), async |it| {
        // Some 34 MB: several parts.
        it.insert_messages(200_000).await;

        let id = it.create_export(outbound()).await;

        let export = it.file_is_right(&id).await;
        assert_eq!(export["row_count"], 200_000);
        assert_eq!(export["attempt"], 1);
        it.nothing_is_left_over().await;
    });
}

#[test]
fn exports_of_both_directions_and_every_filter_are_correct() {
    story(Plan::default(), async |it| {
        insert_some_of_everything(it).await;
        let narrow = json!({"start_time": "2025-12-02T00:00:03.000001Z", "end_time": "2025-12-02T00:00:06.000001Z"});
        let asked: Vec<(Value, u64)> = vec![
            (outbound(), 10),
            (inbound(), 10),
            (with(outbound(), "status", "succeeded"), 2),
            (with(inbound(), "status", "failed_permanent"), 2),
            (with(outbound(), "endpoint_id", &endpoint_id(1)), 5),
            (with(outbound(), "endpoint_id", &endpoint_id(5)), 0),
            (
                with(inbound(), "inbound_endpoint_id", &uuid(4).to_string()),
                5,
            ),
            // Both ends are included.
            (narrow.clone(), 4),
            (
                with(
                    with(narrow, "endpoint_id", &endpoint_id(2)),
                    "status",
                    "queued",
                ),
                1,
            ),
        ];
        let mut ids = Vec::new();
        for (request, _) in &asked {
            ids.push(it.create_export(request.clone()).await);
        }

        for (id, (request, rows)) in ids.iter().zip(&asked) {
            let export = it.file_is_right(id).await;
            assert_eq!(export["row_count"], *rows, "{request}");
        }
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_file_is_removed_after_its_expiry_and_after_deletion() {
    story(Plan::default(), async |it| {
        it.insert_messages(10).await;
        let deleted = it.create_export(outbound()).await;
        it.file_is_right(&deleted).await;
        let link = it.link(&deleted).await;

        let client = it.consumer();
        let path = format!("/v1/exports/{deleted}");
        let _ = client.delete(&path).await.expect(204);
        let _ = client.get(&path).await.expect(404);
        let _ = client.without_key().get(&link).await.expect(404);
        it.nothing_is_left_over().await;

        it.workers[0].stop().await;
        it.add_worker_with(&[("EXPORTS_FILE_TTL", "2s")]).await;
        let short = it.create_export(outbound()).await;
        let expired = it.wait_until(&short, "expired").await;
        assert_eq!(expired["row_count"], 10, "the row count is kept");
        let client = it.consumer();
        let path = format!("/v1/exports/{short}/download");
        let reply = client.send(client.request(Method::GET, &path)).await;
        assert_eq!(reply.expect(410).error_code(), "EXPORT_EXPIRED");
        it.nothing_is_left_over().await;
    });
}

/// Ten messages of each direction, a second apart, to two endpoints each, with every status, and texts that need quotes or
/// escapes.
async fn insert_some_of_everything(it: &Deployment) {
    const STATUSES: [&str; 5] = [
        "queued",
        "delivering",
        "succeeded",
        "pending_retry",
        "failed_permanent",
    ];
    const TEXTS: [&str; 3] = ["=1+1", "refused, \"again\"", "two\r\nlines"];
    let endpoints = [
        Endpoint::outbound(PROJECT, uuid(1), "https://one.example.com/hook"),
        Endpoint::outbound(PROJECT, uuid(5), "https://idle.example.com/hook"),
        Endpoint::outbound(PROJECT, uuid(2), "https://two.example.com/hook?a=1,2"),
        Endpoint::inbound(PROJECT, uuid(3), "https://three.example.com/in"),
        Endpoint::inbound(PROJECT, uuid(4), "https://four.example.com/in"),
    ];
    let message = |number: usize| {
        let (message, first) = match number % 2 {
            0 => (Message::outbound(PROJECT), 1),
            _ => (Message::inbound(PROJECT), 3),
        };
        let number = number / 2;
        message
            .endpoint(uuid(first + number as u128 % 2))
            .status(STATUSES[number % STATUSES.len()])
            .at(&format!("2025-12-02T00:00:{number:02}.000001Z"))
            .with("delivered_at", "2025-12-02T01:00:00Z")
            .with("response_status", 200)
            .with("total_delivery_ms", number)
            .last_error(TEXTS[number % TEXTS.len()])
    };
    // Messages of another project.
    let foreign = Message::outbound("proj_other");
    let messages: Vec<_> = (0..20).map(message).chain([foreign]).collect();
    it.insert(&endpoints, &messages).await;
}

fn endpoint_id(number: u128) -> String {
    format!("ep_{}", uuid(number).simple())
}
