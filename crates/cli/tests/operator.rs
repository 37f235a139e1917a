//! `exportctl admin migrate`, `project`, `key` and `seed`, each with its own database.

mod run;

use exports_domain::ExportStatus;
use exports_tests::{ExportRow, TestDatabase};
use serde_json::{Value, json};

use run::admin;

#[tokio::test]
async fn an_empty_database_is_migrated_and_gets_a_project_and_a_key() {
    let database = TestDatabase::empty().await;
    let env = [("DATABASE_URL", database.url())];
    let run = async |command: &str| admin(&env, command).await;

    let early = run("project create proj_abc123").await.error();
    assert!(early.contains("run 'exportctl admin migrate'"), "{early}");
    assert!(run("migrate").await.ok().starts_with("applied "));
    assert_eq!(
        run("migrate").await.ok(),
        "the schema is already up to date"
    );
    let create = "project create proj_abc123";
    assert_eq!(run(create).await.ok(), "created proj_abc123");
    assert_eq!(run(create).await.ok(), "proj_abc123 already exists");

    let unknown = run("key create --project proj_nobody").await.error();
    assert!(
        unknown.contains("project proj_nobody does not exist"),
        "{unknown}"
    );
    let key = run("key create --project proj_abc123 --label first")
        .await
        .ok();
    assert!(key.starts_with("exk_") && key.len() == 68, "{key}");
    let owner = database.storage().authenticate(&key).await.unwrap();
    assert_eq!(owner.unwrap().project.as_str(), "proj_abc123");
    let list = run("key list --project proj_abc123").await.ok();
    assert!(
        list.contains(&key[..12]) && list.contains("first"),
        "{list}"
    );
    assert!(!list.contains(&key), "{list}");
}

#[tokio::test]
async fn a_sample_has_messages_and_a_key_and_says_where_to_look() {
    let database = TestDatabase::create().await;
    let env = [
        ("DATABASE_URL", database.url()),
        ("EXPORTS_PUBLIC_URL", "http://127.0.0.1:8080"),
    ];
    let run = async || admin(&env, "sample --project proj_demo --messages 500").await;
    let first = run().await;
    assert!(first.err.contains("messages are inserted"), "{}", first.err);
    let again = run().await;
    assert!(
        again.err.contains("messages exist already"),
        "{}",
        again.err
    );
    for printed in [first.ok(), again.ok()] {
        let lines: Vec<_> = printed.lines().collect();
        let console = lines
            .iter()
            .position(|it| *it == "http://127.0.0.1:8080/console");
        let key = lines[console.expect("the console") + 1];
        let owner = database.storage().authenticate(key).await.unwrap();
        assert_eq!(owner.unwrap().project.as_str(), "proj_demo");
        assert!(
            printed.contains("curl -sS -H 'Authorization: Bearer exk_"),
            "{printed}"
        );
    }
    let messages = database.value("SELECT count(*) FROM messages").await;
    assert_eq!(messages, 500);
    let keys = "SELECT bool_and(expires_at < now() + interval '8 days') FROM api_keys";
    assert_eq!(database.value(keys).await, true);
}

#[tokio::test]
async fn a_command_exits_without_a_message_when_its_output_pipe_is_closed() {
    let database = TestDatabase::create().await;
    let mut command = std::process::Command::new(exports_tests::program("exportctl"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.args(["admin", "migrate"]).env_clear();
    command.env("DATABASE_URL", database.url()).stdout(writer);
    let ended = tokio::task::spawn_blocking(move || command.output());
    let ended = ended.await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(141), "the exit code of SIGPIPE");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[tokio::test]
async fn migrate_grants_privileges_to_the_api_and_worker_roles() {
    let database = TestDatabase::empty().await;
    let env = [("DATABASE_URL", database.url())];
    let run = async |command: String| admin(&env, &command).await;
    let ((api, _), (worker, url)) = (database.role("api").await, database.role("worker").await);

    let same = run(format!("migrate --api-role {api} --worker-role {api}")).await;
    assert!(same.error().contains("its own role"));
    let both = run(format!("migrate --api-role {api} --worker-role {worker}")).await;
    let lines = both.ok();
    assert!(lines.starts_with("applied "), "{lines}");
    assert!(
        lines.contains(&format!("granted {api} the rights of exports-api")),
        "{lines}"
    );
    assert!(
        lines.contains(&format!("granted {worker} the rights of exports-worker")),
        "{lines}"
    );
    let again = run(format!("migrate --worker-role {worker}")).await.ok();
    assert!(
        again.starts_with("the schema is already up to date"),
        "{again}"
    );
    let refused = admin(&[("DATABASE_URL", &url)], "key list").await.error();
    assert!(
        refused.contains("permission denied for table api_keys"),
        "{refused}"
    );

    let nobody = run("migrate --api-role nobody_at_all".to_owned()).await;
    assert_eq!(nobody.code, Some(1));
    let expected = "error: --api-role: role \"nobody_at_all\" does not exist: create it first";
    assert!(nobody.err.starts_with(expected), "{}", nobody.err);
}

#[tokio::test]
async fn a_key_is_revoked_by_id_secret_or_unambiguous_prefix() {
    let database = TestDatabase::create().await;
    database.project("proj_a").await;
    let env = [("DATABASE_URL", database.url())];
    let run = async |command: &str| admin(&env, command).await;
    let revoke = async |which: &str| admin(&env, &format!("key revoke {which}")).await;
    let create = async || run("key create --project proj_a").await.ok();

    let (itself, by_prefix, by_id) = (create().await, create().await, create().await);
    let prefix = &by_id[..12];
    let query = format!("SELECT id FROM api_keys WHERE prefix = '{prefix}'");
    let id = database.value(&query).await;
    let id = id.as_str().unwrap().to_uppercase();
    for (which, key) in [
        (itself.as_str(), &itself),
        (&by_prefix[..12], &by_prefix),
        (&id, &by_id),
    ] {
        assert!(revoke(which).await.ok().starts_with("revoked "));
        assert_eq!(database.storage().authenticate(key).await.unwrap(), None);
        assert!(
            revoke(which)
                .await
                .ok()
                .contains(" was already revoked at ")
        );
    }
    let unknown = revoke("exk_nothing").await.error();
    assert!(unknown.contains("no such key"), "{unknown}");

    let (one, other) = (create().await, create().await);
    database
        .execute("UPDATE api_keys SET prefix = 'exk_00000000' WHERE revoked_at IS NULL")
        .await;
    let ambiguous = revoke("exk_00000000").await.error();
    assert!(ambiguous.contains("matches several keys"), "{ambiguous}");
    for key in [one, other] {
        assert!(
            database
                .storage()
                .authenticate(&key)
                .await
                .unwrap()
                .is_some()
        );
    }
}

/// A digest of all seeded rows.
async fn content(database: &TestDatabase) -> Value {
    database
        .value("SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (SELECT m::text AS line FROM messages m UNION ALL SELECT e::text FROM endpoints e) rows")
        .await
}

#[tokio::test]
async fn a_seed_is_reproducible_atomic_and_written_once() {
    let seed = "seed --project proj_a --messages 3000";
    let (one, other) = (TestDatabase::create().await, TestDatabase::create().await);
    for database in [&one, &other] {
        database.project("proj_a").await;
        admin(&[("DATABASE_URL", database.url())], seed).await.ok();
    }
    let seeded = content(&one).await;
    assert_eq!(seeded, content(&other).await);
    assert_eq!(
        one.value("SELECT count(*) FROM messages").await,
        json!(3000)
    );

    let env = [("DATABASE_URL", one.url())];
    let again = admin(&env, seed).await;
    assert_eq!(again.code, Some(1));
    assert!(
        again.err.contains("already exist") && again.err.contains("--seed"),
        "{}",
        again.err
    );
    // Only the last message exists. The seed must not insert the others.
    one.execute("DELETE FROM messages WHERE created_at < '2025-12-06 23:59:59+00'")
        .await;
    assert_eq!(admin(&env, seed).await.code, Some(1));
    assert_eq!(one.value("SELECT count(*) FROM messages").await, json!(1));

    admin(&env, &format!("{seed} --seed 2")).await.ok();
    assert_eq!(
        one.value("SELECT count(*) FROM messages").await,
        json!(3001)
    );
    assert_eq!(one.value("SELECT count(*) FROM endpoints").await, json!(36));
}

#[tokio::test]
async fn seed_writes_to_the_source_database() {
    let (control, source) = (TestDatabase::create().await, TestDatabase::create().await);
    let env = [
        ("DATABASE_URL", control.url()),
        ("EXPORTS_SOURCE_DATABASE_URL", source.url()),
    ];
    let seed = "seed --project proj_a --messages 10";
    let unknown = admin(&env, seed).await.error();
    assert!(
        unknown.contains("project proj_a does not exist"),
        "{unknown}"
    );
    control.project("proj_a").await;
    admin(&env, seed).await.ok();
    assert_eq!(
        control.value("SELECT count(*) FROM messages").await,
        json!(0)
    );
    assert_eq!(
        source.value("SELECT count(*) FROM messages").await,
        json!(10)
    );
}

#[tokio::test]
async fn an_unusable_database_is_reported_in_one_line_with_its_variable() {
    for url in ["nonsense", "postgres://u:secret@127.0.0.1:1/d"] {
        let line = admin(&[("DATABASE_URL", url)], "migrate").await.error();
        assert!(line.starts_with("error: DATABASE_URL"), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }
    let missing = admin(&[], "migrate").await;
    assert_eq!(missing.code, Some(2));
    assert_eq!(missing.err, "error: DATABASE_URL must be set");
}

#[tokio::test]
async fn job_show_has_the_options_of_the_file() {
    let database = TestDatabase::create().await;
    database.project("proj_a").await;
    let env = [("DATABASE_URL", database.url())];
    let row = || ExportRow::of("proj_a", ExportStatus::Pending);
    let plain = row().insert(database.pool()).await;
    let shown = admin(&env, &format!("job show {plain}")).await.ok();
    assert!(
        !shown.contains("format") && !shown.contains("csv"),
        "{shown}"
    );
    let options = json!({
        "compression": "gzip",
        "columns": ["status", "message_id"],
        "timezone": "Europe/Berlin",
        "csv": {
            "delimiter": "\t", "line_ending": "lf", "header": true, "bom": true, "formula_guard": false,
        },
    });
    let chosen = row()
        .with("file_options", options.clone())
        .with("file_extension", "csv.gz");
    let chosen = chosen.insert(database.pool()).await;
    let shown = admin(&env, &format!("job show {chosen}")).await.ok();
    for line in [
        "compression    gzip",
        "columns        status, message_id",
        "timezone       Europe/Berlin",
        r#"csv            delimiter "\t", line ending lf, header, bom"#,
    ] {
        assert!(shown.lines().any(|it| it == line), "{line}\n{shown}");
    }
    let shown = admin(&env, &format!("job show --json {chosen}")).await;
    let shown: Value = serde_json::from_str(&shown.ok()).unwrap();
    assert_eq!(shown["file_options"], options);
}
