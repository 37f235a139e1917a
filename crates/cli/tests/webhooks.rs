//! `exportctl admin webhook`, every command of it.

mod run;

use exports_database::{CreatedWebhook, NewWebhook, WebhookSecret};
use exports_domain::{ExportId, ExportStatus, Failure, FailureCode, WebhookEvent, WebhookId};
use exports_tests::{ExportRow, TestDatabase};
use serde_json::{Value, json};

use run::{Answer, admin, admin_as_alice, database};

const PROJECT: &str = "proj_a";
const URL: &str = "https://example.com/hook";

async fn run(database: &TestDatabase, command: &str) -> Answer {
    admin_as_alice(database, &format!("webhook {command}")).await
}

async fn run_json(database: &TestDatabase, command: &str) -> Value {
    let out = run(database, &format!("{command} --json")).await.ok();
    serde_json::from_str(&out).expect("JSON")
}

/// A webhook of a project, and its secret.
async fn webhook(database: &TestDatabase, project: &str) -> (WebhookId, String) {
    database.project(project).await;
    let new = NewWebhook {
        id: WebhookId::generate(),
        project: project.parse().expect("a project id"),
        url: URL.to_owned(),
        events: WebhookEvent::DEFAULT.to_vec(),
        secret: WebhookSecret::generate(),
    };
    let created = database.storage().create_webhook(&new).await;
    let created = created.expect("the webhook is created");
    assert!(matches!(created, CreatedWebhook::New(_)), "{created:?}");
    (new.id, new.secret.to_text())
}

/// Fails an export of the project, which writes a delivery for each of its webhooks. Returns the export.
async fn event(database: &TestDatabase) -> ExportId {
    let row = ExportRow::of(PROJECT, ExportStatus::Pending);
    let id = ExportId(row.insert(database.pool()).await);
    let failure = Failure {
        code: FailureCode::EndedByOperator,
        message: "Please choose a shorter time range.".to_owned(),
    };
    let failed = database.storage().force_fail(id, &failure).await;
    failed.expect("the export is failed");
    id
}

/// Ends the pending deliveries as a worker does after the last attempt.
async fn fail_deliveries(database: &TestDatabase) {
    database
        .execute(
            "UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL, attempt = 10,
                                           response_status = 503, error = 'the receiver answered 503'
             WHERE status = 'pending'",
        )
        .await;
}

/// The cells of the only row of a table. No cell has a space, except the last.
fn cells(table: &str) -> Vec<&str> {
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 2, "{table}");
    rows[1].split_whitespace().collect()
}

fn assert_audited(answer: &Answer, action: &str, webhook: WebhookId) {
    let lines: Vec<Value> = answer
        .err
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(lines.len(), 1, "{}", answer.err);
    let line = &lines[0];
    assert_eq!(line["target"], "audit");
    assert_eq!(line["action"], action);
    assert_eq!(line["project.id"], PROJECT);
    assert_eq!(line["detail"], format!("webhook={webhook}"));
    assert_eq!(line["operator"], "alice");
}

#[tokio::test]
async fn list_and_show_have_the_state_of_webhooks_and_never_their_secrets() {
    let database = database().await;
    let none = run(&database, "list").await;
    assert_eq!(
        (none.code, &*none.out, &*none.err),
        (Some(0), "", "no webhooks")
    );
    assert_eq!(run_json(&database, "list").await, json!([]));

    let (id, secret) = webhook(&database, PROJECT).await;
    let (other, _) = webhook(&database, "proj_b").await;
    event(&database).await;
    fail_deliveries(&database).await;
    event(&database).await;
    database
        .execute(format!(
            "UPDATE webhooks SET failing_since = '2025-12-06T12:00:00Z' WHERE id = '{id}'"
        ))
        .await;
    let expected = [
        PROJECT,
        &id.to_string(),
        "enabled",
        "export.completed,export.failed",
        "2025-12-06T12:00:00Z",
        "1",
        "1",
        URL,
    ];
    let all = run(&database, "list").await.ok();
    assert_eq!(all.lines().count(), 3, "{all}");
    assert!(all.contains(&other.to_string()), "{all}");
    let list = run(&database, "list --project proj_a").await.ok();
    assert_eq!(cells(&list), expected);
    let show = run(&database, &format!("show {PROJECT} {id}")).await.ok();
    assert_eq!(show, list);

    let listed = run_json(&database, "list").await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let shown = run_json(&database, &format!("show {PROJECT} {id}")).await;
    assert_eq!(shown, listed[0]);
    assert_eq!(
        shown,
        json!({
            "project_id": PROJECT, "id": id.to_string(), "url": URL,
            "events": ["export.completed", "export.failed"], "status": "enabled", "disabled_reason": null,
            "created_at": shown["created_at"], "failing_since": "2025-12-06T12:00:00Z", "pending": 1, "failed": 1,
        })
    );
    for text in [all, show, listed.to_string()] {
        assert!(!text.contains(&secret[6..]), "{text}");
    }
}

#[tokio::test]
async fn a_disabled_webhook_gets_no_events_until_it_is_enabled() {
    let database = database().await;
    let (id, _) = webhook(&database, PROJECT).await;
    event(&database).await;
    let disabled = run(&database, &format!("disable {PROJECT} {id}")).await;
    assert_audited(&disabled, "webhook.disable", id);
    assert_eq!(disabled.ok(), format!("{id} is disabled"));
    let shown = run(&database, &format!("show {PROJECT} {id}")).await.ok();
    assert!(shown.contains("disabled (operator)"), "{shown}");
    let shown = run_json(&database, &format!("show {PROJECT} {id}")).await;
    assert_eq!(
        (&shown["status"], &shown["disabled_reason"]),
        (&json!("disabled"), &json!("operator"))
    );
    assert_eq!(
        (&shown["pending"], &shown["failed"]),
        (&json!(0), &json!(1))
    );

    event(&database).await;
    let enabled = run(&database, &format!("enable {PROJECT} {id}")).await;
    assert_audited(&enabled, "webhook.enable", id);
    assert_eq!(enabled.ok(), format!("{id} is enabled"));
    let shown = run_json(&database, &format!("show {PROJECT} {id}")).await;
    assert_eq!(
        (&shown["status"], &shown["disabled_reason"]),
        (&json!("enabled"), &Value::Null)
    );
    assert_eq!(shown["pending"], 0, "the event while it was disabled");
    event(&database).await;
    let shown = run_json(&database, &format!("show {PROJECT} {id}")).await;
    assert_eq!(shown["pending"], 1);
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_with_the_errors_of_their_latest_attempts() {
    let database = database().await;
    let (id, _) = webhook(&database, PROJECT).await;
    let command = format!("deliveries {PROJECT} {id}");
    let none = run(&database, &command).await;
    assert_eq!(
        (none.code, &*none.out, &*none.err),
        (Some(0), "", "no deliveries")
    );
    assert_eq!(run_json(&database, &command).await, json!([]));

    let first = event(&database).await.to_string();
    fail_deliveries(&database).await;
    let project = PROJECT.parse().unwrap();
    database.storage().test_webhook(&project, id).await.unwrap();
    let listed = run_json(&database, &command).await;
    let (test, failed) = (&listed[0], &listed[1]);
    assert_eq!(
        *failed,
        json!({
            "id": failed["id"], "event": "export.failed", "export_id": first, "attempt": 10, "status": "failed",
            "response_status": 503, "error": "the receiver answered 503", "next_attempt_at": null,
            "created_at": failed["created_at"],
        })
    );
    assert_eq!(
        (&test["event"], &test["export_id"]),
        (&json!("export.test"), &Value::Null)
    );
    assert!(test["next_attempt_at"].is_string(), "{test}");
    let table = run(&database, &command).await.ok();
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{table}");
    let id_of = |delivery: &Value| delivery["id"].as_str().unwrap().to_owned();
    assert_eq!(
        rows[1][..6],
        [&*id_of(test), "export.test", "-", "pending", "0", "-"]
    );
    assert_eq!(
        rows[2][..6],
        [
            &*id_of(failed),
            "export.failed",
            &*first,
            "failed",
            "10",
            "503"
        ]
    );
    assert!(table.ends_with("the receiver answered 503"), "{table}");
}

#[tokio::test]
async fn one_delivery_or_all_failed_ones_are_sent_again_with_their_ids() {
    let database = database().await;
    let (id, _) = webhook(&database, PROJECT).await;
    for _ in 0..3 {
        event(&database).await;
    }
    fail_deliveries(&database).await;
    let statuses = async || {
        let listed = run_json(&database, &format!("deliveries {PROJECT} {id}")).await;
        let listed = listed.as_array().unwrap().iter();
        let each = listed.map(|it| {
            (
                it["id"].clone(),
                it["status"].clone(),
                it["attempt"].clone(),
            )
        });
        each.collect::<Vec<_>>()
    };
    let before = statuses().await;
    let one = before[1].0.as_str().unwrap().to_owned();
    let again = run(&database, &format!("redeliver {PROJECT} {id} {one}")).await;
    assert_audited(&again, "webhook.redeliver", id);
    assert_eq!(again.ok(), format!("{one} is due now"));
    let after = statuses().await;
    assert_eq!(after[1], (json!(one), json!("pending"), json!(0)));
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));

    let again = run(&database, &format!("redeliver {PROJECT} {id} --failed")).await;
    assert_audited(&again, "webhook.redeliver", id);
    assert_eq!(again.ok(), "2 failed deliveries are due now");
    let after = statuses().await;
    assert!(after.iter().all(|it| it.1 == "pending"), "{after:?}");
    let ids = |all: &[(Value, Value, Value)]| all.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before));
    let nothing = run(&database, &format!("redeliver {PROJECT} {id} --failed")).await;
    assert_eq!(nothing.err, "", "nothing was changed");
    assert_eq!(nothing.ok(), "0 failed deliveries are due now");
}

#[tokio::test]
async fn a_webhook_is_deleted_with_its_deliveries() {
    let database = database().await;
    let (id, _) = webhook(&database, PROJECT).await;
    let (kept, _) = webhook(&database, PROJECT).await;
    event(&database).await;
    let deleted = run(&database, &format!("delete {PROJECT} {id}")).await;
    assert_audited(&deleted, "webhook.delete", id);
    assert_eq!(deleted.ok(), format!("{id} is deleted"));
    let left = database
        .rows("SELECT webhook_id FROM webhook_deliveries")
        .await;
    assert_eq!(left, [json!({ "webhook_id": kept.to_string() })]);
    let listed = run_json(&database, "list").await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_the_project_does_not_have_is_an_error_of_every_command() {
    let database = database().await;
    let (id, _) = webhook(&database, PROJECT).await;
    event(&database).await;
    fail_deliveries(&database).await;
    let (theirs, _) = webhook(&database, "proj_b").await;
    for (project, webhook) in [
        (PROJECT, WebhookId::generate()),
        (PROJECT, theirs),
        ("proj_nobody", id),
    ] {
        let expected = format!(
            "error: project {project} has no webhook {webhook}: 'exportctl admin webhook list' shows all"
        );
        for command in [
            "show",
            "enable",
            "disable",
            "delete",
            "deliveries",
            "redeliver --failed",
        ] {
            let refused = run(&database, &format!("{command} {project} {webhook}")).await;
            assert_eq!(refused.error(), expected, "{command}");
        }
    }
    let delivery = uuid::Uuid::now_v7();
    let refused = run(&database, &format!("redeliver {PROJECT} {id} {delivery}")).await;
    assert_eq!(
        refused.error(),
        format!(
            "error: {id} has no delivery {delivery}: 'exportctl admin webhook deliveries' lists them"
        )
    );
    let failed = "SELECT count(*) FROM webhook_deliveries WHERE status = 'failed'";
    assert_eq!(database.value(failed).await, 1, "nothing was changed");
    let webhooks = database.value("SELECT count(*) FROM webhooks WHERE status = 'enabled'");
    assert_eq!(webhooks.await, 2);
}

#[tokio::test]
async fn wrong_arguments_are_refused_by_name() {
    let database = database().await;
    let (id, _) = webhook(&database, PROJECT).await;
    for (command, error) in [
        ("show proj_a 17".to_owned(), "ID must be a UUID, not \"17\""),
        (
            "delete proj_a wh_1".to_owned(),
            "ID must be a UUID, not \"wh_1\"",
        ),
        (
            format!("enable a/b {id}"),
            "PROJECT must be proj_ followed by 1 to 64",
        ),
        (
            "list --project a/b".to_owned(),
            "--project must be proj_ followed by 1 to 64",
        ),
        (
            format!("redeliver proj_a {id} x"),
            "DELIVERY must be a UUID, not \"x\"",
        ),
        (format!("redeliver proj_a {id}"), "DELIVERY must be given"),
        (
            format!("redeliver proj_a {id} {id} --failed"),
            "DELIVERY and --failed exclude each other: use one of them",
        ),
    ] {
        let refused = run(&database, &command).await;
        assert_eq!((refused.code, &*refused.out), (Some(2), ""), "{command}");
        let expected = format!("error: {error}");
        assert!(
            refused.err.starts_with(&expected),
            "{command}: {}",
            refused.err
        );
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_one_error_line_of_every_command() {
    let id = WebhookId::generate();
    for command in [
        "list".to_owned(),
        format!("show proj_a {id}"),
        format!("enable proj_a {id}"),
        format!("disable proj_a {id}"),
        format!("delete proj_a {id}"),
        format!("deliveries proj_a {id}"),
        format!("redeliver proj_a {id} --failed"),
    ] {
        for url in ["nonsense", "postgres://u:secret@127.0.0.1:1/d"] {
            let env = [("DATABASE_URL", url)];
            let line = admin(&env, &format!("webhook {command}")).await.error();
            assert!(line.starts_with("error: DATABASE_URL"), "{command}: {line}");
            assert!(!line.contains("secret"), "{command}: {line}");
        }
    }
}
