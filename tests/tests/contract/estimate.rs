//! `POST /v1/exports/estimate`.

use std::time::{Duration, Instant};

use exports_tests::{Endpoint, Fixture, Message};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, fields, request, request_with, story};

const PATH: &str = "/v1/exports/estimate";

async fn estimate(consumer: &Consumer<'_>, request: &Value) -> Value {
    consumer.api.post(PATH, request).await.expect(200).data()
}

/// Outbound messages, a millisecond apart; every tenth has failed.
async fn put_many(consumer: &Consumer<'_>, count: u32) {
    let insert = format!(
        "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at)
         SELECT gen_random_uuid(), '{}', 'outbound', '01935abc-0000-7000-8000-000000000000',
                CASE n % 10 WHEN 0 THEN 'failed_permanent' ELSE 'succeeded' END, 1,
                '2025-12-03T12:00:00Z'::timestamptz + n * interval '1 ms'
         FROM generate_series(1, {count}) n;
         ANALYZE messages",
        consumer.project
    );
    consumer.fixture.database().execute(insert).await;
}

#[test]
fn few_rows_are_counted_with_every_filter() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let empty = estimate(&consumer, &request()).await;
        assert_eq!(
            fields(&empty),
            ["duration_seconds", "exact", "file_size_bytes", "row_count"]
        );
        assert_eq!(
            (&empty["row_count"], &empty["exact"]),
            (&json!(0), &json!(true))
        );

        let endpoint = Uuid::now_v7();
        let known = Endpoint::outbound(&consumer.project, endpoint, "https://example.com");
        consumer.fixture.insert_endpoints(&[known]).await;
        let message = || Message::outbound(&consumer.project);
        let messages = [
            message(),
            message().status("succeeded"),
            message().endpoint(endpoint),
            message().at("2025-12-20T00:00:00Z"),
            Message::inbound(&consumer.project),
        ];
        consumer.fixture.insert_messages(&messages).await;
        for (changes, rows) in [
            (json!({}), 3),
            (json!({"status": "succeeded", "label": "a label"}), 1),
            (json!({"statuses": ["succeeded", "queued"]}), 3),
            (
                json!({"endpoint_id": format!("ep_{}", endpoint.simple())}),
                1,
            ),
            (json!({"end_time": "2025-12-31T00:00:00Z"}), 4),
            (json!({"direction": "inbound"}), 1),
        ] {
            let found = estimate(&consumer, &request_with(changes.clone())).await;
            assert_eq!(found["row_count"], rows, "{changes}");
            assert_eq!(
                (&found["exact"], &found["duration_seconds"]),
                (&json!(true), &json!(1))
            );
            let row_bytes = if changes["direction"] == "inbound" {
                205
            } else {
                200
            };
            assert_eq!(found["file_size_bytes"], rows * row_bytes, "{changes}");
        }
        let count = format!(
            "SELECT count(*) FROM exports WHERE project_id = '{}'",
            consumer.project
        );
        assert_eq!(consumer.fixture.database().value(&count).await, 0);
    });
}

#[test]
fn many_rows_are_estimated_from_the_statistics() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).roles().start().await;
        let consumer = Consumer::owner_of(&fixture);
        put_many(&consumer, 40_000).await;
        let all = estimate(&consumer, &request()).await;
        assert_eq!(all["exact"], false);
        let rows = all["row_count"].as_u64().unwrap();
        assert!((20_000..80_000).contains(&rows), "{all}");
        assert_eq!(all["file_size_bytes"], rows * 200);
        let failed = estimate(
            &consumer,
            &request_with(json!({"status": "failed_permanent"})),
        )
        .await;
        assert_eq!(
            (&failed["row_count"], &failed["exact"]),
            (&json!(4000), &json!(true))
        );
    });
}

#[test]
fn invalid_requests_are_refused_as_by_a_create() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let reply = consumer
            .api
            .post(PATH, &json!({"start_time": "2025-12-01T00:00:00Z"}))
            .await;
        assert_refused(&reply, 400, "INVALID_REQUEST", &["end_time is required"]);
        let unknown = json!({"endpoint_id": format!("ep_{}", "1".repeat(32))});
        let reply = consumer.api.post(PATH, &request_with(unknown)).await;
        assert_refused(&reply, 400, "ENDPOINT_NOT_FOUND", &[]);
    });
}

/// The view makes each row take long.
#[test]
fn an_estimate_of_a_slow_source_ends_within_a_second() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let consumer = Consumer::owner_of(&fixture);
        put_many(&consumer, 2_000).await;
        fixture
            .database()
            .execute(
                "ALTER TABLE messages RENAME TO stored;
                 CREATE VIEW messages AS SELECT * FROM stored WHERE pg_sleep(0.01) IS NOT NULL",
            )
            .await;
        let begun = Instant::now();
        let found = estimate(&consumer, &request()).await;
        let took = begun.elapsed();
        assert_eq!(found["exact"], false, "{found}");
        assert!(found["row_count"].as_u64() > Some(0), "{found}");
        // The busy machine of a test is slower than the contract.
        assert!(took < Duration::from_millis(1500), "{took:?}");
        let busy = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND state = 'active' AND query LIKE '%FROM messages m%'
                      AND pid <> pg_backend_pid()";
        exports_tests::eventually(
            "the server has stopped",
            Duration::from_secs(2),
            async || (fixture.database().value(busy).await == 0).then_some(()),
        )
        .await;
    });
}

#[test]
fn estimates_at_the_same_time_are_bounded() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let consumer = Consumer::owner_of(&fixture);
        put_many(&consumer, 2_000).await;
        fixture
            .database()
            .execute(
                "ALTER TABLE messages RENAME TO stored;
                 CREATE VIEW messages AS SELECT * FROM stored WHERE pg_sleep(0.01) IS NOT NULL",
            )
            .await;
        let request = request();
        let many = (0..8).map(|_| consumer.api.post(PATH, &request));
        let replies = futures_util::future::join_all(many).await;
        let of = |status| replies.iter().filter(move |it| it.status == status);
        // On a busy machine, the server may be too slow even for the plan.
        assert_eq!(of(200).count() + of(503).count() + of(429).count(), 8);
        assert!(of(200).count() >= 1 && of(429).count() >= 1);
        for reply in of(429) {
            assert_refused(reply, 429, "RATE_LIMITED", &["estimates at a time is 2"]);
            assert_eq!(reply.header("retry-after"), Some("1"));
        }
    });
}
