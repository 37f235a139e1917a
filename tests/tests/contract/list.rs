//! `GET /v1/exports`.

use std::collections::HashSet;

use chrono::TimeDelta;
use exports_domain::ExportStatus;
use serde_json::{Value, json};

use crate::shared::{Consumer, fields, id_of, path, request, story};

/// One page: the ids, and `meta` without the request id.
async fn page(consumer: &Consumer<'_>, query: &str) -> (Vec<String>, Value) {
    let reply = consumer.api.get(&format!("/v1/exports{query}")).await;
    let mut body = reply.expect(200).json();
    let ids = body["data"].as_array().unwrap().iter().map(id_of).collect();
    body["meta"].as_object_mut().unwrap().remove("request_id");
    (ids, body["meta"].take())
}

/// All pages in order. `between` runs after each page.
async fn pages(consumer: &Consumer<'_>, query: &str, between: impl AsyncFn()) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let (ids, meta) = page(consumer, &format!("{query}{cursor}")).await;
        pages.push(ids);
        between().await;
        if meta["has_more"] == false {
            assert_eq!(meta.get("next_cursor"), None, "{meta}");
            return pages;
        }
        let next = meta["next_cursor"].as_str().expect("there is more");
        cursor = format!("&cursor={next}");
    }
}

/// Inserts failed exports, one minute apart, and returns their ids, newest first.
async fn put_exports(consumer: &Consumer<'_>, count: u32) -> Vec<String> {
    let sql = format!(
        "INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                              filter_start_time, filter_end_time, error_code, error_message)
         SELECT gen_random_uuid(), '{}', at, at, 'failed', 'outbound', '2025-12-01', '2025-12-02', 'TIMED_OUT', 'why'
         FROM (SELECT now() - n * interval '1 minute' AS at FROM generate_series(1, {count}) n) times",
        consumer.project
    );
    consumer.fixture.database().execute(sql).await;
    newest_first(consumer).await
}

/// The expected list, read from the database.
async fn newest_first(consumer: &Consumer<'_>) -> Vec<String> {
    let sql = format!(
        "SELECT id FROM exports WHERE project_id = '{}' ORDER BY created_at DESC, id DESC",
        consumer.project
    );
    let rows = consumer.fixture.database().rows(&sql).await;
    rows.iter().map(id_of).collect()
}

#[test]
fn a_new_project_has_no_exports() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let reply = consumer.api.get("/v1/exports").await.expect(200);
        assert_eq!(reply.data(), json!([]));
        assert_eq!(fields(&reply.meta()), ["has_more", "request_id"]);
        assert_eq!(reply.meta()["has_more"], false);
    });
}

#[test]
fn the_list_has_the_projects_exports_newest_first_as_get_returns_them() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let stranger = fixtures.consumer().await;
        stranger.create(&request()).await;
        let mut ids = Vec::new();
        for (age, status) in ExportStatus::ALL.iter().copied().enumerate() {
            let age = TimeDelta::hours(2 + i64::try_from(age).unwrap());
            let row = consumer.row(status).with_ago("created_at", age);
            ids.push(consumer.put(row).await);
        }
        let reply = consumer.api.get("/v1/exports").await.expect(200);
        let listed = reply.data();
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.iter().map(id_of).collect::<Vec<_>>(), ids);
        for export in listed {
            assert_eq!(*export, consumer.get(&id_of(export)).await);
        }
    });
}

#[test]
fn exports_with_equal_times_are_ordered_by_id() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for _ in 0..7 {
            let row = consumer.row(ExportStatus::Pending);
            consumer
                .put(row.with("created_at", "2026-01-02T03:04:05.678901Z"))
                .await;
        }
        let all = newest_first(&consumer).await;
        let paged = pages(&consumer, "?limit=3", async || {}).await;
        assert_eq!(paged.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
        assert_eq!(paged.concat(), all);
    });
}

#[test]
fn has_more_and_next_cursor_are_correct_at_every_limit() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let all = put_exports(&consumer, 4).await;
        for (limit, lengths) in [
            (1, &[1, 1, 1, 1][..]),
            (2, &[2, 2]),
            (3, &[3, 1]),
            (4, &[4]),
            (5, &[4]),
            (500, &[4]),
        ] {
            let paged = pages(&consumer, &format!("?limit={limit}"), async || {}).await;
            assert_eq!(
                paged.iter().map(Vec::len).collect::<Vec<_>>(),
                lengths,
                "{limit}"
            );
            assert_eq!(paged.concat(), all, "{limit}");
        }
    });
}

#[test]
fn the_default_page_size_is_500() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let all = put_exports(&consumer, 501).await;
        let (ids, meta) = page(&consumer, "").await;
        assert_eq!((ids.len(), &meta["has_more"]), (500, &json!(true)));
        assert_eq!(ids, all[..500]);
        let (ids, meta) = page(
            &consumer,
            &format!("?cursor={}", meta["next_cursor"].as_str().unwrap()),
        )
        .await;
        assert_eq!(
            (ids, meta),
            (vec![all[500].clone()], json!({"has_more": false}))
        );
    });
}

#[test]
fn pages_have_no_duplicates_or_gaps_during_inserts_and_deletes() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let all = put_exports(&consumer, 1200).await;
        let gone = [&all[250], &all[499], &all[1199]];
        let paged = pages(&consumer, "?limit=500", async || {
            // Inserts exports at the front and deletes exports on read and unread pages.
            consumer.create(&request()).await;
            for id in gone {
                consumer.api.delete(&path(id)).await;
            }
            consumer.create(&request()).await;
        })
        .await;
        assert_eq!(
            paged.iter().map(Vec::len).collect::<Vec<_>>(),
            [500, 500, 199]
        );
        let seen = paged.concat();
        assert_eq!(
            seen.iter().collect::<HashSet<_>>().len(),
            seen.len(),
            "no duplicates"
        );
        assert_eq!(seen, all[..1199], "no gaps and no later exports");
    });
}

#[test]
fn the_status_filter_applies_to_the_returned_status_on_every_page() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for &status in ExportStatus::ALL {
            for _ in 0..3 {
                consumer.put(consumer.row(status)).await;
            }
        }
        // Past its expiry and not swept yet: the API returns it as expired.
        let past = consumer
            .row(ExportStatus::Completed)
            .with_ago("expires_at", TimeDelta::milliseconds(1));
        let past = consumer.put(past).await;
        for &status in ExportStatus::ALL {
            let query = format!("?limit=2&status={status}");
            let ids = pages(&consumer, &query, async || {}).await.concat();
            let expected = if status == ExportStatus::Expired {
                4
            } else {
                3
            };
            assert_eq!(ids.len(), expected, "{status}");
            assert_eq!(ids.contains(&past), status == ExportStatus::Expired);
            for id in ids {
                assert_eq!(consumer.get(&id).await["status"], status.as_str());
            }
        }
    });
}

#[test]
fn a_cursor_gives_no_access_to_another_project() {
    story(async |fixtures| {
        let owner = fixtures.consumer().await;
        let stranger = fixtures.consumer().await;
        put_exports(&owner, 3).await;
        let (_, meta) = page(&owner, "?limit=1").await;
        let cursor = meta["next_cursor"].as_str().unwrap();
        let (ids, _) = page(&stranger, &format!("?cursor={cursor}")).await;
        assert!(ids.is_empty());
    });
}
