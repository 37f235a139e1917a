//! The progress of an export.

use std::time::{Duration, Instant};

use exports_database::{ClaimRequest, Leased, Progress, ProgressReport};
use exports_domain::Lease;
use exports_tests::{Fixture, TIMEOUT, eventually};
use serde_json::json;

use crate::event_stream::{FIVE_SECONDS, Stream, fail, idle};
use crate::shared::{Consumer, id_of, request, story};

#[test]
#[expect(clippy::too_many_lines, reason = "the story of one export")]
fn progress_is_that_of_the_queue_or_of_the_running_attempt() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let other = Consumer::new_on(&fixture).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(id_of(&consumer.create(&request()).await));
        }
        let theirs = id_of(&other.create(&request()).await);
        let position = async |consumer: &Consumer<'_>, id: &str| {
            consumer.get(id).await["progress"]["queue_position"].clone()
        };
        // Fair between projects: the other project's first export is the second one.
        eventually("the positions are those of claims", TIMEOUT, async || {
            let all = [
                position(&consumer, &ids[0]).await,
                position(&other, &theirs).await,
                position(&consumer, &ids[1]).await,
                position(&consumer, &ids[2]).await,
            ];
            (all == [json!(1), json!(2), json!(3), json!(4)]).then_some(())
        })
        .await;
        let list = consumer
            .api
            .get("/v1/exports?status=pending")
            .await
            .expect(200)
            .data();
        assert_eq!(list[0]["progress"], json!({ "queue_position": 4 }));

        let mut stream = Stream::of(&consumer.api, &ids[0]).await;
        assert_eq!(
            stream.next().await.unwrap().data["progress"],
            json!({ "queue_position": 1 })
        );
        let claim = ClaimRequest {
            owner: "worker-1",
            limit: 1,
            lease: Duration::from_mins(1),
            max_attempts: 5,
            hints: std::sync::Arc::default(),
            last_slot_reserved: false,
            borrowers: Vec::new(),
        };
        let lease = fixture.storage().claim(&claim).await.unwrap()[0].lease;
        assert_eq!(lease.export.to_string(), ids[0]);
        let export = consumer.get(&ids[0]).await;
        assert_eq!(
            export["progress"],
            json!({ "rows_written": 0, "bytes_written": 0, "updated_at": export["started_at"] })
        );
        let report = async |lease: Lease, rows, percent| {
            let report = ProgressReport {
                progress: Progress {
                    rows,
                    bytes: rows * 100,
                },
                percent,
                seconds_remaining: Some(4),
            };
            fixture
                .storage()
                .report_progress(lease, report)
                .await
                .unwrap()
        };
        assert_eq!(report(lease, 10, Some(37)).await, Leased::Held(()));
        assert_eq!(report(lease, 20, Some(30)).await, Leased::Held(()));
        let mut progress = consumer.get(&ids[0]).await["progress"].clone();
        progress
            .as_object_mut()
            .unwrap()
            .remove("updated_at")
            .expect("a time");
        assert_eq!(
            progress,
            json!({ "rows_written": 20, "bytes_written": 2000, "percent": 37, "estimated_seconds_remaining": 4 })
        );
        let wrong = Lease {
            token: exports_domain::LeaseToken(uuid::Uuid::now_v7()),
            ..lease
        };
        assert_eq!(report(wrong, 30, None).await, Leased::Lost);
        loop {
            let event = stream.next_within(FIVE_SECONDS).await.unwrap();
            if event.data["progress"]["percent"] == 37 {
                break;
            }
            assert_eq!(
                event.data["progress"]["rows_written"], 0,
                "an earlier state"
            );
        }

        // The figures of an earlier attempt are never shown.
        let next = format!(
            "UPDATE exports SET lease_token = gen_random_uuid() WHERE id = '{}'",
            ids[0]
        );
        fixture.database().execute(next).await;
        assert_eq!(consumer.get(&ids[0]).await["progress"]["rows_written"], 0);
        fail(&fixture, &ids[0]).await;
        assert!(consumer.get(&ids[0]).await.get("progress").is_none());
    });
}

#[test]
fn the_percentage_of_a_running_export_never_falls() {
    story(async |_| {
        const ROWS: u32 = 600_000;
        let fixture = Fixture::builder()
            .worker_env("EXPORTS_READERS", "1")
            .start()
            .await;
        let consumer = Consumer::owner_of(&fixture);
        let project = fixture.project();
        fixture
            .database()
            .execute(format!(
                "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at) \
                 SELECT gen_random_uuid(), '{project}', 'outbound', gen_random_uuid(), 'succeeded', 1, \
                        timestamptz '2025-12-02 00:00:00Z' + number * interval '0.1 seconds' \
                 FROM generate_series(1, {ROWS}) number"
            ))
            .await;
        let id = id_of(&consumer.create(&request()).await);
        let mut stream = Stream::of(&consumer.api, &id).await;
        let (mut seen, mut last) = (Vec::new(), None);
        while let Some(event) = stream.next().await {
            let progress = &event.data["progress"];
            if progress["rows_written"]
                .as_u64()
                .is_some_and(|rows| rows > 0)
            {
                let number = |name: &str| progress[name].as_u64();
                seen.push((
                    number("rows_written").unwrap(),
                    number("percent"),
                    Instant::now(),
                ));
            }
            last = Some(event.data);
        }
        let last = last.unwrap();
        assert_eq!(
            (&last["status"], &last["row_count"]),
            (&json!("completed"), &json!(ROWS))
        );
        assert!(last.get("progress").is_none());
        assert!(!seen.is_empty(), "the export is too short for this test");
        for pair in seen.windows(2) {
            let ((rows, percent, at), (more, later, then)) = (pair[0], pair[1]);
            assert!(rows <= more && percent <= later, "{seen:?}");
            assert!(then - at > Duration::from_millis(900), "{seen:?}");
        }
        assert!(
            seen.iter().all(|(rows, percent, _)| {
                let real = rows * 100 / u64::from(ROWS);
                percent.is_some_and(|percent| percent.abs_diff(real) <= 15)
            }),
            "{seen:?}"
        );
        // The reports are removed.
        eventually("the report is removed", TIMEOUT, async || {
            let left = fixture
                .database()
                .value("SELECT count(*) FROM export_progress")
                .await;
            (left == 0).then_some(())
        })
        .await;
    });
}
