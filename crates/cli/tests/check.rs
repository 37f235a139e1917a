//! `exportctl admin check`, `jobs`, `job` and `prune`.

mod check_as;
mod run;

use std::process::{Command, Stdio};

use chrono::TimeDelta;
use exports_domain::ExportStatus;
use exports_tests::{
    Endpoint, ExportRow, Message, Proxy, RunningStore, StoreKind, TestDatabase, program, uuid,
};
use serde_json::Value;

use run::{Answer, admin};

const PROJECT: &str = "proj_abc123";

async fn check(database: &TestDatabase, store: &RunningStore, more: &[(&str, &str)]) -> Answer {
    let mut environment = store.environment();
    environment.push(("DATABASE_URL".to_owned(), database.url().to_owned()));
    let mut variables: Vec<_> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    variables.extend(more);
    let answer = admin(&variables, "check").await;
    for (name, secret) in &environment {
        let is_secret = name.contains("SECRET") || name == "DATABASE_URL";
        assert!(!is_secret || !answer.out.contains(secret), "{}", answer.out);
    }
    answer
}

/// The output line of a check, which begins with the verdict.
fn line<'a>(answer: &'a Answer, what: &str) -> &'a str {
    let found = answer.out.lines().find(|line| line[6..].starts_with(what));
    found.unwrap_or_else(|| panic!("no line about {what}: {} {}", answer.out, answer.err))
}

#[tokio::test]
async fn a_working_installation_passes_and_the_check_leaves_no_object() {
    for kind in StoreKind::all().iter().copied() {
        let database = TestDatabase::create().await;
        database.project(PROJECT).await;
        Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 12_000).await;
        database.execute("ANALYZE messages").await;
        let store = RunningStore::start(kind);
        let answer = check(&database, &store, &[]).await;
        assert_eq!(answer.code, Some(0), "{} {}", answer.out, answer.err);
        for what in [
            "configuration",
            "database",
            "database clock",
            "database write",
            "migrations",
            "endpoints",
            "messages",
            "source statements",
            "messages values",
            "index",
            "store",
            "store write",
            "store look-up",
            "store upload",
            "store delete",
        ] {
            assert!(line(&answer, what).starts_with("ok "), "{}", answer.out);
        }
        let index = line(&answer, "index");
        assert!(index.contains("messages_export"), "{index}");
        let link = line(&answer, "signed link");
        let verdict = match kind {
            StoreKind::File => "warn",
            StoreKind::S3 | StoreKind::Garage => "ok ",
        };
        assert!(link.starts_with(verdict), "{link}");
        assert_eq!(store.listing(), [""; 0]);
    }
}

#[tokio::test]
async fn a_failure_is_reported_and_the_other_checks_still_run() {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 12_000).await;
    database
        .execute(
            "DROP INDEX messages_export; ANALYZE messages;
             ALTER TABLE endpoints DROP COLUMN url;
             DELETE FROM _sqlx_migrations WHERE version = 2",
        )
        .await;
    let store = RunningStore::start(StoreKind::S3);
    let closed = ("EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT", "http://127.0.0.1:1");
    // The relations exist already, so they are checked.
    let answer = check(&database, &store, &[closed]).await;
    assert_eq!(answer.code, Some(1));
    assert!(line(&answer, "migrations").starts_with("FAIL"));
    assert!(line(&answer, "migrations").contains("run 'exportctl admin migrate'"));
    assert!(line(&answer, "endpoints").contains("lacks url"));
    let link = line(&answer, "signed link");
    assert!(
        link.starts_with("FAIL") && link.contains("PUBLIC_ENDPOINT"),
        "{link}"
    );
    assert!(!answer.out.contains("X-Amz"), "{}", answer.out);
    assert!(line(&answer, "store delete").starts_with("ok "));
    assert_eq!(store.listing(), [""; 0]);

    let elsewhere = ("EXPORTS_SOURCE_DATABASE_URL", database.url());
    let answer = check(&database, &store, &[elsewhere]).await;
    assert!(
        line(&answer, "endpoints").contains("lacks url"),
        "{}",
        answer.out
    );
    let index = line(&answer, "index");
    assert!(
        index.starts_with("FAIL") && index.contains("CREATE INDEX"),
        "{index}"
    );
    assert_eq!(answer.err, "error: 3 checks failed");
}

/// Properties of the source that affect exports are reported.
#[tokio::test]
async fn unusual_properties_of_a_source_are_reported() {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 100).await;
    let store = RunningStore::start(StoreKind::File);
    let (name, url) = database.role("restricted").await;
    database
        .execute(format!(
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{name}\";
             ALTER TABLE messages ENABLE ROW LEVEL SECURITY"
        ))
        .await;
    let role = ("DATABASE_URL", url.as_str());
    let answer = check(&database, &store, &[role]).await;
    let found = line(&answer, "source statements");
    for part in [
        "FAIL",
        "row-level security",
        &name,
        "BYPASSRLS",
        "EXPORTS_SOURCE_ROW_SECURITY=apply",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let meant = ("EXPORTS_SOURCE_ROW_SECURITY", "apply");
    let answer = check(&database, &store, &[role, meant]).await;
    assert!(
        line(&answer, "source statements").starts_with("ok "),
        "{}",
        answer.out
    );

    database
        .execute(
            "ALTER TABLE messages DISABLE ROW LEVEL SECURITY; ALTER TABLE messages RENAME TO stored;
             CREATE VIEW messages AS SELECT * FROM stored WHERE created_at < now()",
        )
        .await;
    let answer = check(&database, &store, &[]).await;
    let found = line(&answer, "source snapshot");
    for part in ["warn", "messages has", "now()", "one statement"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    database
        .execute(
            "DROP VIEW messages; CREATE VIEW messages AS SELECT id, project_id, direction, endpoint_id, status, attempt_count,
                extract(epoch FROM created_at)::bigint AS created_at, delivered_at, next_attempt_at, response_status,
                response_latency_ms, total_delivery_ms, last_error FROM stored",
        )
        .await;
    let answer = check(&database, &store, &[]).await;
    let found = line(&answer, "messages");
    assert!(
        found.starts_with("FAIL")
            && found.contains("created_at is bigint: timestamp with time zone is needed"),
        "{found}"
    );
    assert!(line(&answer, "source statements").starts_with("skip"));
}

/// What `exportctl admin check` says about the values of a source with these rows.
async fn values(view: &str, update: &str) -> (Answer, Vec<String>) {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 100).await;
    let endpoint = Endpoint::outbound(PROJECT, uuid(1), "https://example.com");
    Endpoint::insert(database.pool(), &[endpoint]).await;
    database
        .execute(format!(
            "CREATE TABLE stored AS SELECT * FROM messages; CREATE TABLE stored_endpoints AS SELECT * FROM endpoints;
             DROP TABLE messages, endpoints;
             ALTER TABLE stored ALTER created_at TYPE {view};
             CREATE VIEW messages AS SELECT * FROM stored; CREATE VIEW endpoints AS SELECT * FROM stored_endpoints;
             {update}"
        ))
        .await;
    let store = RunningStore::start(StoreKind::File);
    let answer = check(&database, &store, &[]).await;
    let lines = answer.out.lines().filter(|line| line.contains(" values"));
    let lines = lines.map(str::to_owned).collect();
    (answer, lines)
}

#[tokio::test]
async fn values_that_make_files_wrong_fail_the_check() {
    let tenth = "WHERE ctid IN (SELECT ctid FROM stored LIMIT 10)";
    for (update, expected) in [
        (
            "UPDATE stored SET direction = 'out'".to_owned(),
            "messages.direction has \"out\"; expected outbound or inbound (100 of all 100 rows)",
        ),
        (
            format!("UPDATE stored SET direction = 'OUTBOUND' {tenth}; UPDATE stored SET direction = NULL WHERE last_error IS NULL"),
            "messages.direction has NULL, \"OUTBOUND\"; expected outbound or inbound",
        ),
        (
            format!("UPDATE stored SET status = 'on holiday' {tenth}"),
            "messages.status has \"on holiday\"; expected queued, delivering, succeeded, pending_retry or failed_permanent (10 of all 100 rows)",
        ),
        (
            format!("UPDATE stored SET status = id::text {tenth}"),
            " and 5 more; expected queued",
        ),
        (format!("UPDATE stored SET id = NULL {tenth}"), "messages.id is NULL; expected a value (10 of"),
        (format!("UPDATE stored SET attempt_count = NULL {tenth}"), "messages.attempt_count is NULL"),
        (format!("UPDATE stored SET created_at = NULL {tenth}"), "messages.created_at is NULL"),
        (
            format!("UPDATE stored SET created_at = 'infinity' {tenth}"),
            "messages.created_at is infinite or outside the years 1 to 9999 (10 of all 100 rows): these rows are in no file",
        ),
        (
            format!("UPDATE stored SET delivered_at = '-infinity' {tenth}"),
            "messages.delivered_at is infinite or outside the years 1 to 9999",
        ),
        (
            "UPDATE stored SET project_id = 'abc123'".to_owned(),
            "messages.project_id is no project of this service; expected proj_ and 1 to 64 letters",
        ),
        (
            "UPDATE stored_endpoints SET direction = 'out'".to_owned(),
            "endpoints.direction has \"out\"; expected outbound or inbound (1 of all 1 rows): files lack these URLs",
        ),
        ("UPDATE stored_endpoints SET url = NULL".to_owned(), "endpoints.url is NULL"),
        (
            "ALTER TABLE stored_endpoints RENAME id TO key; DROP VIEW endpoints; CREATE VIEW endpoints AS
                 SELECT 'hook-' || key AS id, project_id, direction, url, created_at FROM stored_endpoints"
                .to_owned(),
            "a value of endpoints cannot be converted: ",
        ),
    ] {
        let (answer, lines) = values("timestamptz", &update).await;
        let failed: Vec<_> = lines.iter().filter(|line| line.starts_with("FAIL")).collect();
        assert_eq!(failed.len(), 1, "{update}: {}", answer.out);
        assert!(failed[0].contains(expected), "{update}: {}", failed[0]);
        assert_eq!(answer.code, Some(1), "{}", answer.out);
    }
}

#[tokio::test]
async fn values_that_are_only_unusual_are_warnings() {
    let (answer, lines) = values("timestamptz", "").await;
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    assert!(
        lines.iter().all(|line| line.starts_with("ok ")),
        "{lines:?}"
    );
    assert!(line(&answer, "messages values").contains("all 100 rows have the expected values"));
    for (update, expected) in [
        (
            "UPDATE stored SET attempt_count = -1",
            "messages.attempt_count is negative",
        ),
        (
            "UPDATE stored SET project_id = 'other' WHERE last_error IS NULL",
            "messages.project_id is no project of this service",
        ),
    ] {
        let (answer, _) = values("timestamptz", update).await;
        let line = line(&answer, "messages values");
        assert!(
            line.starts_with("warn") && line.contains(expected),
            "{line}"
        );
        assert_eq!(answer.code, Some(0), "{}", answer.out);
    }
    let (answer, _) = values("timestamp", "").await;
    let line = line(&answer, "messages ");
    let expected = "created_at is timestamp without time zone (read as UTC)";
    assert!(
        line.starts_with("warn") && line.contains(expected),
        "{line}"
    );
}

/// A large table is sampled in all its parts, and a slow view with fewer rows or not at all.
#[tokio::test]
async fn the_sample_of_values_is_bounded() {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    Message::insert_many(database.pool(), PROJECT, "2025-01-01T00:00:00Z", 450_000).await;
    // Only the rows at the end of the table.
    database
        .execute(
            "ALTER TABLE messages DROP CONSTRAINT messages_status_check;
             UPDATE messages SET status = 'lost' WHERE created_at > '2025-01-06T00:00:00Z'",
        )
        .await;
    database.execute("VACUUM ANALYZE messages").await;
    let store = RunningStore::start(StoreKind::File);
    let answer = check(&database, &store, &[]).await;
    let found = line(&answer, "messages values");
    let parts = ["FAIL", "has \"lost\"", "of a sample of", "(there are more)"];
    assert!(parts.iter().all(|part| found.contains(part)), "{found}");

    for (seconds, verdict, expected) in [
        ("0.0001", "FAIL", "of a sample of 2000 rows"),
        ("0.1", "warn", "a few rows take longer than 3 s"),
    ] {
        database
            .execute(format!(
                "ALTER TABLE IF EXISTS messages RENAME TO stored;
                 CREATE OR REPLACE FUNCTION wait(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
                     $$ BEGIN PERFORM pg_sleep({seconds}); RETURN 'lost'; END $$;
                 CREATE OR REPLACE VIEW messages AS SELECT id, project_id, direction, endpoint_id, wait(id::text) AS status, attempt_count,
                     created_at, delivered_at, next_attempt_at, response_status, response_latency_ms, total_delivery_ms,
                     last_error FROM stored"
            ))
            .await;
        let answer = check(&database, &store, &[]).await;
        let found = line(&answer, "messages values");
        assert!(
            found.starts_with(verdict) && found.contains(expected),
            "{found}"
        );
        database
            .execute("DROP VIEW messages; ALTER TABLE stored RENAME TO messages")
            .await;
    }
}

#[tokio::test]
async fn the_store_is_checked_when_the_database_is_unavailable() {
    let database = TestDatabase::create().await;
    let store = RunningStore::start(StoreKind::File);
    let away = ("DATABASE_URL", "postgres://u:hidden-password@127.0.0.1:1/d");
    let answer = check(&database, &store, &[away]).await;
    assert_eq!(answer.code, Some(1));
    assert!(line(&answer, "database").starts_with("FAIL"));
    assert!(line(&answer, "store write").starts_with("ok "));
    assert!(!answer.out.contains("hidden-password"), "{}", answer.out);
}

#[tokio::test]
async fn jobs_lists_the_queue_and_job_overrides_an_export() {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    let env = [("DATABASE_URL", database.url())];
    let run = async |command: &str| admin(&env, command).await;
    assert_eq!(run("jobs").await.err, "no exports");

    let held = ExportRow::of(PROJECT, ExportStatus::Processing)
        .with("attempt_error", "the store\u{1b}[2J is away")
        .with("progress_rows", 1_234_567);
    let held = held.insert_with_object(database.pool(), "writing").await;
    let failed = ExportRow::of(PROJECT, ExportStatus::Failed);
    let failed = failed.insert(database.pool()).await;
    let table = run("jobs").await.ok();
    let line = table.lines().nth(1).unwrap();
    for part in [
        &held.to_string(),
        "processing",
        "worker-1",
        "1,234,567",
        "is away",
    ] {
        assert!(line.contains(part), "{part}: {table}");
    }
    assert!(
        !table.contains('\u{1b}') && table.lines().count() == 2,
        "{table}"
    );
    let json: Value = serde_json::from_str(&run("jobs --json").await.ok()).unwrap();
    assert_eq!(json[0]["held_by"], "worker-1");
    assert_eq!(json[0]["rows"], 1_234_567);
    let all = run("jobs --status failed --status processing --limit 1").await;
    assert!(all.err.contains("there are more"), "{}", all.err);

    let done = run(&format!("job requeue {held}")).await.ok();
    assert!(done.contains("worker-1 held it"), "{done}");
    let done = run(&format!("job fail {held} --reason Too-large."))
        .await
        .ok();
    assert!(done.ends_with("is failed"), "{done}");
    let message = database.export_column(held, "error_message").await;
    assert_eq!(message, "Too-large.");
    for id in [held, failed] {
        let refused = run(&format!("job requeue {id}")).await.error();
        assert!(refused.contains("is failed, which is final"), "{refused}");
    }
    let unknown = run("job requeue 01900000-0000-7000-8000-000000000000").await;
    assert!(unknown.error().contains("does not exist"));
}

#[tokio::test]
async fn old_records_are_counted_and_deleted() {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    let env = [("DATABASE_URL", database.url())];
    let run = async |command: &str| admin(&env, command).await.ok();
    let row = |days| {
        ExportRow::of(PROJECT, ExportStatus::Failed)
            .with("started_at", None::<&str>)
            .with_ago("created_at", TimeDelta::days(days))
    };
    for days in [91, 40, 1] {
        row(days).insert(database.pool()).await;
    }
    assert_eq!(run("prune --dry-run").await, "1 record would be deleted");
    let dry = run("prune --older-than 30d --dry-run").await;
    assert_eq!(dry, "2 records would be deleted");
    assert_eq!(run("prune --older-than 30d").await, "deleted 2 records");
    assert_eq!(run("prune").await, "deleted 0 records");
    assert_eq!(database.value("SELECT count(*) FROM exports").await, 1);
}

#[tokio::test]
async fn what_is_not_protected_is_a_warning_with_the_fix() {
    let database = TestDatabase::create().await;
    let store = RunningStore::start(StoreKind::S3);
    let proxy = Proxy::to_postgres(database.url()).await;
    // An address of this machine that is not loopback.
    let url = proxy.url(database.url()).replace("127.0.0.1", "0.0.0.0");
    let environment = store.environment();
    let endpoint = environment
        .iter()
        .find(|(name, _)| name == "AWS_ENDPOINT_URL")
        .map(|(_, value)| value.replace("127.0.0.1", "0.0.0.0"))
        .expect("the store has an endpoint");
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("EXPORTS_SOURCE_DATABASE_URL", url.as_str()),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("EXPORTS_PUBLIC_URL", "http://exports.example.com"),
    ];
    let answer = check(&database, &store, &variables).await;
    for (what, variable) in [
        ("database TLS", "DATABASE_URL"),
        ("source TLS", "EXPORTS_SOURCE_DATABASE_URL"),
        ("store TLS", "AWS_ENDPOINT_URL"),
        ("public TLS", "EXPORTS_PUBLIC_URL"),
    ] {
        let line = line(&answer, what);
        assert!(
            line.starts_with("warn") && line.contains(variable),
            "{line}"
        );
    }
    assert!(line(&answer, "database TLS").contains("sslmode=verify-full"));

    // On loopback there is nothing to protect.
    let answer = check(&database, &store, &[]).await;
    assert!(!answer.out.contains(" TLS  "), "{}", answer.out);
}

#[tokio::test]
async fn a_directory_that_others_can_read_is_a_warning() {
    let database = TestDatabase::create().await;
    let store = RunningStore::start(StoreKind::File);
    let RunningStore::File(folder) = &store else {
        unreachable!("it was started as a folder")
    };
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let answer = check(&database, &store, &[]).await;
    let line = line(&answer, "store directory");
    assert!(
        line.starts_with("warn") && line.contains("chmod 700"),
        "{line}"
    );
}

/// With a limit of 0 bytes per file, every write fails as on a full disk.
#[tokio::test]
async fn a_check_on_a_full_disk_leaves_no_file() {
    let database = TestDatabase::create().await;
    let store = RunningStore::start(StoreKind::File);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" check"])
        .arg(program("exportctl"))
        .env_clear()
        .envs(store.environment())
        .env("DATABASE_URL", database.url())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("no panic").expect("sh starts");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("FAIL  store "), "{out}");
    assert_eq!(store.listing(), [""; 0]);
}
