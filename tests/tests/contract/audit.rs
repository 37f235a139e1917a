//! The audit trail in the log of the real API.

use std::time::Duration;

use exports_database::NewKey;
use exports_domain::Scope;
use exports_tests::{Fixture, Reply, TIMEOUT, eventually};
use reqwest::Method;
use serde_json::Value;

use crate::api::Api;
use crate::shared::{Consumer, id_of, path, request, story};

/// The audit lines with this action.
fn lines(fixture: &Fixture, action: &str) -> Vec<Value> {
    let log = fixture.api_log();
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    events
        .filter(|event: &Value| event["target"] == "audit" && event["action"] == action)
        .collect()
}

async fn wait_for_lines(fixture: &Fixture, action: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} lines of {action}"), TIMEOUT, async || {
        let lines = lines(fixture, action);
        (lines.len() >= count).then_some(lines)
    })
    .await
}

fn request_id(reply: &Reply) -> String {
    reply.header("x-request-id").unwrap().to_owned()
}

#[test]
fn creates_links_downloads_and_deletes_are_recorded_with_key_project_and_address() {
    story(async |_| {
        let fixture = Fixture::builder().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let key = fixture.storage().list_keys(None).await.unwrap()[0].id;
        let created = consumer.api.post_keyed("k", &request()).await.expect(201);
        let replayed = consumer.api.post_keyed("k", &request()).await.expect(201);
        let id = id_of(&created.data());
        consumer.until(&id, "completed").await;
        let link = consumer.link(&id).await;
        let file = consumer.follow(&link).await.expect(200);
        let deleted = consumer.api.delete(&path(&id)).await.expect(204);
        let again = consumer.api.delete(&path(&id)).await.expect(404);

        let create_lines = wait_for_lines(&fixture, "export.create", 2).await;
        let delete_lines = wait_for_lines(&fixture, "export.delete", 2).await;
        let links = wait_for_lines(&fixture, "link.create", 1).await;
        for (line, outcome, reply) in [
            (&create_lines[0], "done", Some(&created)),
            (&create_lines[1], "replayed", Some(&replayed)),
            (&links[0], "done", None),
            (&delete_lines[0], "done", Some(&deleted)),
            (&delete_lines[1], "NOT_FOUND", Some(&again)),
        ] {
            assert_eq!(line["outcome"], outcome, "{line}");
            assert_eq!(line["key.id"], key.to_string(), "{line}");
            assert_eq!(line["project.id"], fixture.project(), "{line}");
            assert_eq!(line["export.id"], id, "{line}");
            assert_eq!(line["client.address"], "127.0.0.1", "{line}");
            if let Some(reply) = reply {
                assert_eq!(line["request_id"], request_id(reply), "{line}");
            }
        }
        let downloads = wait_for_lines(&fixture, "file.download", 1).await;
        assert_eq!(downloads.len(), 1);
        assert_eq!(downloads[0]["export.id"], id);
        assert_eq!(downloads[0]["request_id"], request_id(&file));
        assert_eq!(downloads[0]["project.id"], fixture.project());
    });
}

#[test]
fn cancels_and_retries_are_recorded_with_the_export() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let id = id_of(&consumer.create(&request()).await);
        let body = serde_json::json!({});
        let (cancel, retry) = (
            format!("{}/cancel", path(&id)),
            format!("{}/retry", path(&id)),
        );
        let early = consumer.api.post(&retry, &body).await;
        let canceled = consumer.api.post(&cancel, &body).await;
        assert_eq!((early.status, canceled.status), (409, 200));
        let new = id_of(&consumer.api.post(&retry, &body).await.expect(201).data());
        let cancels = wait_for_lines(&fixture, "export.cancel", 1).await;
        let retries = wait_for_lines(&fixture, "export.retry", 2).await;
        for (line, outcome, export) in [
            (&cancels[0], "done", &id),
            (&retries[0], "EXPORT_NOT_ACTIVE", &id),
            (&retries[1], "done", &new),
        ] {
            assert_eq!(line["outcome"], outcome, "{line}");
            assert_eq!(line["export.id"], *export, "{line}");
            assert_eq!(line["project.id"], fixture.project(), "{line}");
        }
    });
}

#[test]
fn refused_requests_are_recorded_without_the_key() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let wrong = format!("exk_{}", "0c".repeat(32));
        let stranger = consumer.api.without_key();
        let unknown = stranger
            .send(Method::GET, "/v1/exports", |it| it.bearer_auth(&wrong))
            .await;
        let missing = stranger.get("/v1/exports").await.expect(401);
        let id = "01935abc-def0-7123-4567-890abcdef012";
        let row = consumer.row(exports_domain::ExportStatus::Completed);
        let completed = row
            .insert_with_object(fixture.database().pool(), "kept")
            .await;
        let link = format!("/files/{completed}?expires=1&signature=a");
        let forged = stranger.get(&link).await.expect(403);
        let project = fixture.project_id();
        fixture.storage().suspend_project(project).await.unwrap();
        let suspended = eventually("the project is suspended", TIMEOUT, async || {
            let reply = consumer.api.delete(&path(id)).await;
            (reply.status == 403).then_some(reply)
        })
        .await;

        let lines = wait_for_lines(&fixture, "authenticate", 4).await;
        for (line, reply, reason) in [
            (
                &lines[0],
                &unknown,
                "the key is unknown, revoked or expired",
            ),
            (&lines[1], &missing, "no key, or a malformed one"),
            (&lines[2], &forged, "the signature of the link is invalid"),
            (&lines[3], &suspended, "the project is suspended"),
        ] {
            assert_eq!(line["reason"], reason);
            assert_eq!(line["outcome"], "refused");
            assert_eq!(line["request_id"], request_id(reply));
            assert_eq!(line["client.address"], "127.0.0.1");
        }
        assert_eq!(lines[3]["project.id"], fixture.project());
        assert!(!fixture.api_log().contains(&wrong[12..]));
    });
}

#[test]
fn a_key_without_the_scope_is_recorded_with_the_outcome_forbidden() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let new = NewKey {
            project: fixture.project_id(),
            label: None,
            scope: Scope::Read,
            valid_for: None,
        };
        let key = fixture.storage().issue_key(&new).await.unwrap().unwrap();
        let reader = Api::new(fixture.api().with_key(&key.secret));
        assert_eq!(reader.post("/v1/exports", &request()).await.status, 403);
        let line = wait_for_lines(&fixture, "export.create", 1).await.remove(0);
        assert_eq!(line["outcome"], "FORBIDDEN");
        assert_eq!(line["key.id"], key.id.to_string());
        assert!(line["export.id"].is_null(), "nothing was created: {line}");
    });
}

#[test]
fn a_flood_of_wrong_keys_is_summed_up() {
    const FLOOD: usize = 300;
    story(async |_| {
        let mut fixture = Fixture::builder().workers(0).start().await;
        let stranger = fixture.api().without_key();
        for _ in 0..FLOOD {
            let _ = stranger.get("/v1/exports").await.expect(401);
        }
        fixture.api_process().terminate();
        assert!(fixture.api_process().wait().await.success());
        let log = fixture.api_log();
        let lines = lines(&fixture, "authenticate");
        let (full, summaries): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line["refused"].is_null());
        // Two periods of a minute at most.
        assert!(full.len() <= 10 && summaries.len() <= 2, "{lines:#?}");
        let summed: u64 = summaries
            .iter()
            .map(|line| line["refused"].as_u64().unwrap())
            .sum();
        assert_eq!(full.len() as u64 + summed, FLOOD as u64);
        assert_eq!(summaries[0]["client.address"], "127.0.0.1");
        assert!(log.lines().count() < 50, "no other line for each request");
    });
}

#[test]
fn only_a_trusted_proxy_says_which_address_a_client_has() {
    story(async |_| {
        for (trusted, expected) in [
            ("127.0.0.0/8, 10.0.0.0/8", "192.0.2.1"),
            ("10.0.0.0/8", "127.0.0.1"),
        ] {
            let builder = Fixture::builder().workers(0);
            let fixture = builder
                .api_env("EXPORTS_TRUSTED_PROXIES", trusted)
                .start()
                .await;
            let api = fixture.api();
            let request = api.request(Method::POST, "/v1/exports").json(&request());
            let request = request.header("X-Forwarded-For", "203.0.113.7, 192.0.2.1, 10.1.1.1");
            assert_eq!(api.send(request).await.status, 201);
            let line = wait_for_lines(&fixture, "export.create", 1).await.remove(0);
            assert_eq!(line["client.address"], expected, "{trusted}");
        }
    });
}

#[test]
fn a_long_method_name_does_not_enter_the_log() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let method = Method::from_bytes(&[b'X'; 5000]).unwrap();
        let api = fixture.api();
        let reply = api.send(api.request(method, "/nothing")).await;
        assert_eq!(reply.status, 404);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let log = fixture.api_log();
        let longest = log.lines().map(str::len).max().unwrap();
        assert!(
            log.contains("\"method\":\"other\"") && longest < 1000,
            "{longest}"
        );
    });
}
