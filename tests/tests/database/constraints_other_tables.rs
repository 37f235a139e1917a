//! Invalid rows of the other tables: a CHECK constraint rejects each.

use exports_tests::{Endpoint, Message, TestDatabase, uuid};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::constraints::refused_by;
use crate::support::{PROJECT, database};

#[tokio::test]
async fn invalid_projects_keys_and_objects_are_rejected() {
    let database = database().await;
    let long = format!(
        "INSERT INTO projects (id) VALUES ('proj_{}')",
        "a".repeat(65)
    );
    let object = "INSERT INTO export_objects (key, export_id, state, sweep_at, sweeps_left) VALUES ('k', gen_random_uuid(),";
    let key = "INSERT INTO api_keys (project_id, prefix, key_sha256) VALUES ('proj_a', 'exk_',";
    for (expected, sql) in [
        (
            "projects_id_check",
            "INSERT INTO projects (id) VALUES ('proj_')".to_owned(),
        ),
        (
            "projects_id_check",
            "INSERT INTO projects (id) VALUES ('abc')".to_owned(),
        ),
        (
            "projects_id_check",
            "INSERT INTO projects (id) VALUES ('proj_a/b')".to_owned(),
        ),
        (
            "projects_id_check",
            "INSERT INTO projects (id) VALUES (E'proj_a\\n')".to_owned(),
        ),
        ("projects_id_check", long),
        ("api_keys_key_sha256_check", format!("{key} '\\xabcd')")),
        (
            "export_objects_state_check",
            format!("{object} 'lost', NULL, 2)"),
        ),
        (
            "export_objects_sweep",
            format!("{object} 'doomed', NULL, 2)"),
        ),
        (
            "export_objects_sweep",
            format!("{object} 'writing', now(), 2)"),
        ),
        (
            "export_objects_sweep",
            format!("{object} 'kept', now(), 2)"),
        ),
        (
            "export_objects_sweeps_left_check",
            format!("{object} 'doomed', now(), 0)"),
        ),
        (
            "export_objects_files_check",
            "INSERT INTO export_objects (key, export_id, state, files) VALUES ('k', gen_random_uuid(), 'writing', 0)"
                .to_owned(),
        ),
    ] {
        assert_eq!(run(&database, &sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn invalid_messages_and_endpoints_are_rejected() {
    let database = database().await;
    let message = |column: &str, value: &str| {
        let message = Message::outbound(PROJECT).with(column, value);
        message_insert(&message)
    };
    for (expected, sql) in [
        ("messages_status_check", message("status", "lost")),
        ("messages_direction_check", message("direction", "sideways")),
        (
            "messages_created_at_check",
            message("created_at", "infinity"),
        ),
        (
            "messages_created_at_check",
            message("created_at", "0001-12-31T23:59:59Z BC"),
        ),
        (
            "messages_delivered_at_check",
            message("delivered_at", "-infinity"),
        ),
        (
            "messages_next_attempt_at_check",
            message("next_attempt_at", "10000-01-01T00:00:00Z"),
        ),
    ] {
        assert_eq!(run(&database, &sql).await, expected, "{sql}");
    }
    // The first and the last valid microsecond.
    Message::insert(
        database.pool(),
        &[
            Message::outbound(PROJECT).at("0001-01-01T00:00:00Z"),
            Message::outbound(PROJECT).at("9999-12-31T23:59:59.999999Z"),
        ],
    )
    .await;
    // The form of a URL is not checked, and a message needs no endpoint row.
    Endpoint::insert(
        database.pool(),
        &[Endpoint::outbound(PROJECT, uuid(1), "=not a URL")],
    )
    .await;
}

fn message_insert(message: &Message) -> String {
    let columns = [
        "id",
        "project_id",
        "direction",
        "endpoint_id",
        "status",
        "attempt_count",
    ];
    let times = ["created_at", "delivered_at", "next_attempt_at"];
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in columns.into_iter().chain(times) {
        match message.get(column) {
            Value::Null => continue,
            Value::String(text) => values.push(format!("'{text}'")),
            other => values.push(other.to_string()),
        }
        names.push(column);
    }
    format!(
        "INSERT INTO messages ({}) VALUES ({})",
        names.join(", "),
        values.join(", ")
    )
}

async fn run(database: &TestDatabase, sql: &str) -> String {
    let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(database.pool())
        .await;
    refused_by(result.map(drop), sql)
}
