//! `exportctl admin key` with scopes and rotation, and `exportctl admin project suspend`, `resume` and `delete`.

mod run;

use exports_domain::ExportStatus::{Completed, Failed, Pending, Processing};
use exports_domain::Scope;
use exports_tests::{ExportRow, TestDatabase};
use serde_json::{Value, json};

use run::{Answer, admin, admin_as_alice as run, database};

/// The audit line of a command.
fn audit(answer: &Answer) -> Value {
    let mut lines = answer.err.lines().filter(|line| line.starts_with('{'));
    let line: Value = serde_json::from_str(lines.next().expect("an audit line")).expect("JSON");
    assert_eq!(lines.next(), None, "one line: {}", answer.err);
    assert_eq!(line["target"], "audit");
    assert_eq!(line["operator"], "alice");
    assert_eq!(line["project.id"], "proj_a");
    line
}

/// The row of a key in `key list`: its cells.
async fn listed(database: &TestDatabase, prefix: &str) -> Vec<String> {
    let list = run(database, "key list").await.ok();
    let row = list
        .lines()
        .find(|line| line.contains(prefix))
        .expect("the key's row");
    row.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_key_is_created_with_a_scope_and_an_expiry_and_listed_with_both() {
    let database = database().await;
    let created = run(
        &database,
        "key create --project proj_a --scope read --expires 90d",
    )
    .await;
    let line = audit(&created);
    assert_eq!(line["action"], "key.create");
    assert!(
        line["detail"]
            .as_str()
            .unwrap()
            .starts_with("scope read, expires at ")
    );
    assert!(
        created.err.contains("scope read, expires at "),
        "{}",
        created.err
    );
    let key = created.ok();
    assert!(!line.to_string().contains(&key[12..]), "never the key");
    let found = database
        .storage()
        .authenticate(&key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.scope, Scope::Read);
    assert_eq!(found.remaining.unwrap().as_secs().div_ceil(86_400), 90);
    assert_eq!(line["key.id"], found.key.to_string());

    let row = listed(&database, &key[..12]).await;
    let ends = "SELECT to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM api_keys";
    let ends = database.value(ends).await;
    assert_eq!(
        (row[3].as_str(), row[6].as_str()),
        ("read", ends.as_str().unwrap())
    );

    let forever = run(&database, "key create --project proj_a").await.ok();
    let row = listed(&database, &forever[..12]).await;
    assert_eq!((row[3].as_str(), row[6].as_str()), ("write", "-"));
    let bad = run(&database, "key create --project proj_a --scope admin").await;
    assert!(bad.err.contains("must be read or write"), "{}", bad.err);
}

#[tokio::test]
async fn a_rotated_key_ends_after_the_overlap_and_its_successor_has_the_same_rights() {
    let database = database().await;
    let old = run(
        &database,
        "key create --project proj_a --scope read --label ci",
    )
    .await
    .ok();
    let rotated = run(
        &database,
        &format!("key rotate {} --overlap 1h", &old[..12]),
    )
    .await;
    let line = audit(&rotated);
    assert_eq!(line["action"], "key.rotate");
    let new = rotated.ok();
    let storage = database.storage();
    let old_left = storage
        .authenticate(&old)
        .await
        .unwrap()
        .unwrap()
        .remaining
        .unwrap();
    assert!((3000..=3600).contains(&old_left.as_secs()), "{old_left:?}");
    let successor = storage.authenticate(&new).await.unwrap().unwrap();
    assert_eq!((successor.scope, successor.remaining), (Scope::Read, None));
    assert_eq!(line["key.id"], successor.key.to_string());
    assert_eq!(listed(&database, &new[..12]).await.last().unwrap(), "ci");

    let again = run(&database, &format!("key rotate {}", &old[..12]))
        .await
        .error();
    assert!(
        again.contains(&format!("already replaced by {}", successor.key)),
        "{again}"
    );
    let unknown = run(&database, "key rotate exk_00000000").await.error();
    assert!(unknown.contains("no such key"), "{unknown}");
    run(&database, &format!("key revoke {}", &new[..12]))
        .await
        .ok();
    let revoked = run(&database, &format!("key rotate {}", &new[..12]))
        .await
        .error();
    assert!(revoked.contains("was revoked at"), "{revoked}");
}

#[tokio::test]
async fn a_project_is_suspended_and_resumed() {
    let database = database().await;
    let export = "INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time)
                  SELECT gen_random_uuid(), 'proj_a', now(), now(), 'pending', 'outbound', '2025-12-01', '2025-12-02'
                  FROM generate_series(1, 1200)";
    database.execute(export).await;
    let suspended = run(&database, "project suspend proj_a").await;
    let line = audit(&suspended);
    assert_eq!(line["action"], "project.suspend");
    let text = suspended.ok();
    let counts = "suspended proj_a: 1200 pending exports held and 0 running exports stopped";
    assert!(text.starts_with(counts), "{text}");
    let again = run(&database, "project suspend proj_a").await.ok();
    assert!(again.starts_with("proj_a is suspended since "), "{again}");
    let jobs = run(&database, "jobs --project proj_a").await.ok();
    assert!(jobs.contains("its project is suspended"), "{jobs}");

    let resumed = run(&database, "project resume proj_a").await;
    assert_eq!(audit(&resumed)["action"], "project.resume");
    let text = resumed.ok();
    assert!(
        text.ends_with(": 1200 exports in the queue again"),
        "{text}"
    );
    let again = run(&database, "project resume proj_a").await.ok();
    assert_eq!(
        again,
        "proj_a was not suspended: 0 exports in the queue again"
    );
    for command in ["suspend", "resume"] {
        let unknown = run(&database, &format!("project {command} proj_b"))
            .await
            .error();
        assert!(
            unknown.contains("project proj_b does not exist"),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn a_project_is_deleted_with_everything_after_a_confirmation() {
    let database = database().await;
    run(&database, "key create --project proj_a").await.ok();
    for _ in 0..3 {
        let row = ExportRow::of("proj_a", Completed);
        row.insert_with_object(database.pool(), "kept").await;
    }
    let refused = run(&database, "project delete proj_a").await.error();
    assert!(refused.contains("confirm with --yes"), "{refused}");
    assert_eq!(database.value("SELECT count(*) FROM exports").await, 3);

    let deleted = run(&database, "project delete proj_a --yes").await;
    let line = audit(&deleted);
    assert_eq!(line["action"], "project.delete");
    assert_eq!(line["detail"], "1 key, 3 exports and 3 files");
    assert_eq!(
        deleted.ok(),
        "deleted proj_a with 1 key, 3 exports and 3 files; 3 objects are pending deletion: a running worker deletes them"
    );
    for table in ["exports", "api_keys", "projects"] {
        assert_eq!(
            database
                .value(&format!("SELECT count(*) FROM {table}"))
                .await,
            0
        );
    }
    let again = run(&database, "project delete proj_a --yes").await.ok();
    assert!(
        again.starts_with("proj_a does not exist; 3 objects are pending"),
        "{again}"
    );
    database.execute("DELETE FROM export_objects").await;
    let again = run(&database, "project delete proj_a --yes").await.ok();
    assert_eq!(again, "proj_a does not exist");
}

#[tokio::test]
async fn the_database_address_can_come_from_a_file_but_not_from_an_argument() {
    let database = database().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    std::fs::write(&path, format!("{}\n", database.url())).unwrap();
    let file = ("DATABASE_URL_FILE", path.to_str().unwrap());
    assert!(admin(&[file], "key list").await.ok().starts_with("ID"));

    let both = admin(&[file, ("DATABASE_URL", database.url())], "key list").await;
    assert_eq!(both.code, Some(2));
    let line = "error: DATABASE_URL and DATABASE_URL_FILE are both set: unset one of them";
    assert_eq!(both.err, line);
    let missing = admin(&[("DATABASE_URL_FILE", "/nowhere/url")], "key list").await;
    assert_eq!(missing.code, Some(2));
    let line = "error: DATABASE_URL_FILE: cannot read /nowhere/url: it does not exist";
    assert_eq!(missing.err, line);
    let argument = admin(&[], &format!("key list --database-url {}", database.url())).await;
    assert_eq!(argument.code, Some(2));
    assert!(
        argument
            .err
            .starts_with("error: --database-url must not be an argument"),
        "{}",
        argument.err
    );
}

/// The result of a command with `--json`.
async fn json(database: &TestDatabase, command: &str) -> Value {
    let printed = run(database, command).await.ok();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    serde_json::from_str(&printed).expect("JSON")
}

#[tokio::test]
async fn keys_are_listed_as_json_without_the_key_or_its_hash() {
    let database = database().await;
    assert_eq!(json(&database, "key list --json").await, json!([]));
    let create = "key create --project proj_a --scope read --label first --expires 90d";
    let key = run(&database, create).await.ok();
    let revoked = run(&database, "key create --project proj_a").await.ok();
    run(&database, &format!("key revoke {revoked}")).await.ok();

    let list = json(&database, "key list --json").await;
    let [newest, first] = list.as_array().expect("an array").as_slice() else {
        panic!("{list}");
    };
    assert!(newest["revoked_at"].is_string(), "{newest}");
    assert_eq!(newest["expires_at"], Value::Null);
    assert_eq!(first["prefix"], key[..12]);
    assert_eq!(
        (&first["label"], &first["scope"]),
        (&json!("first"), &json!("read"))
    );
    assert_eq!(first["project_id"], "proj_a");
    assert_eq!(first["revoked_at"], Value::Null);
    let stored = database
        .value("SELECT string_agg(encode(key_sha256, 'hex'), ' ') FROM api_keys")
        .await;
    for hash in stored.as_str().expect("hashes").split(' ') {
        assert!(!list.to_string().contains(hash), "{list}");
    }
    assert!(!list.to_string().contains(&key), "{list}");
}

#[tokio::test]
async fn projects_are_listed_with_keys_active_exports_and_own_limits() {
    let database = TestDatabase::create().await;
    let empty = run(&database, "project list").await;
    assert_eq!(
        (empty.out.as_str(), empty.err.as_str()),
        ("", "no projects")
    );
    assert_eq!(json(&database, "project list --json").await, json!([]));

    for project in ["proj_b", "proj_a"] {
        database.project(project).await;
    }
    for status in [Pending, Pending, Processing, Completed, Failed] {
        ExportRow::of("proj_a", status)
            .insert(database.pool())
            .await;
    }
    run(&database, "key create --project proj_a").await.ok();
    let revoked = run(&database, "key create --project proj_a").await.ok();
    run(&database, &format!("key revoke {revoked}")).await.ok();
    run(
        &database,
        "project limits proj_b --creates 60/1m --active off",
    )
    .await
    .ok();
    run(&database, "project suspend proj_b").await.ok();

    let list = json(&database, "project list --json").await;
    let [a, b] = list.as_array().expect("an array").as_slice() else {
        panic!("{list}");
    };
    assert_eq!((&a["id"], &b["id"]), (&json!("proj_a"), &json!("proj_b")));
    assert_eq!((&a["keys"], &a["active_exports"]), (&json!(1), &json!(3)));
    assert_eq!(
        (&a["suspended_at"], &a["limits"]),
        (&Value::Null, &json!({}))
    );
    assert_eq!((&b["keys"], &b["active_exports"]), (&json!(0), &json!(0)));
    assert!(
        b["suspended_at"].is_string() && b["created_at"].is_string(),
        "{b}"
    );
    assert_eq!(b["limits"], json!({"creates": "60/1m", "active": "off"}));

    let table = run(&database, "project list").await.ok();
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert_eq!(rows[1][2..], ["-", "1", "3", "-"], "{table}");
    assert_eq!(
        rows[2][3..],
        ["0", "0", "creates=60/1m", "active=off"],
        "{table}"
    );
}

#[tokio::test]
async fn a_failed_export_shows_its_reason_and_the_last_attempt_beside_it() {
    let database = database().await;
    let held = ExportRow::of("proj_a", Processing)
        .insert(database.pool())
        .await;
    let reason = "The endpoint was removed. Create another export.";
    let fail = [("DATABASE_URL", database.url())];
    let failed = run::exportctl_with(
        &fail,
        &[
            "admin",
            "job",
            "fail",
            &held.to_string(),
            "--reason",
            reason,
        ],
    )
    .await;
    failed.ok();

    let attempt = "an operator took it from worker-1";
    let listed = run(&database, "jobs --status failed").await.ok();
    let expected = format!("ENDED_BY_OPERATOR: {reason} (last attempt: {attempt})");
    assert!(listed.ends_with(&expected), "{listed}");
    let list = json(&database, "jobs --status failed --json").await;
    let shown = json(&database, &format!("job show {held} --json")).await;
    assert_eq!(list[0]["id"], shown["id"]);
    for job in [&list[0], &shown] {
        assert_eq!(job["error_code"], "ENDED_BY_OPERATOR");
        assert_eq!(job["error_message"], reason);
        assert_eq!(job["attempt_error"], attempt);
    }
    let shown = run(&database, &format!("job show {held}")).await.ok();
    for line in ["ENDED_BY_OPERATOR", reason, attempt] {
        assert!(shown.lines().any(|shown| shown.ends_with(line)), "{shown}");
    }
    let again = run(&database, &format!("job requeue {held}")).await.error();
    assert!(
        again.contains(&format!("'exportctl admin job show {held}'")),
        "{again}"
    );
}
