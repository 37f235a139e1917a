//! Start with database roles that lack rights of their program, and rights that are revoked later.

use std::time::Duration;

use exports_database::Program;
use exports_tests::{Client, Process, Reply, StoreKind, TIMEOUT, TestDatabase, eventually};
use serde_json::Value;

use super::{BOUND, PROGRAMS};
use crate::support::Fixture;

const OF: [Program; 2] = [Program::Worker, Program::Api];

/// A role with the rights of a program, and its URL.
async fn role(database: &TestDatabase, program: Program, suffix: &str) -> (String, String) {
    let (name, url) = database.role(suffix).await;
    let granted = database.storage().grant(program, &name).await;
    granted.expect("the rights of the program");
    (name, url)
}

fn start(index: usize, fixture: &Fixture, set: &[(&str, &str)]) -> Process {
    let (program, needed) = PROGRAMS[index];
    let json = [("EXPORTS_LOG_FORMAT", "json")];
    let environment = fixture.environment(&[needed, &json, set].concat());
    Process::start(program, &[], environment)
}

/// The program must end with one line about this role; returns the line.
async fn complaint(index: usize, fixture: &Fixture, set: &[(&str, &str)]) -> String {
    let mut process = start(index, fixture, set);
    let status = process.wait_for(BOUND).await;
    let log = process.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!log.contains("WARN"), "no line about waiting: {log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{log}");
    last.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_its_rights_names_role_right_and_command_and_ends() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = fixture.database();
    for (index, program) in OF.into_iter().enumerate() {
        let option = ["--worker-role", "--api-role"][index];
        let (none, none_url) = database.role(&format!("none{index}")).await;
        let (some, some_url) = role(database, program, &format!("some{index}")).await;
        let revoked = [
            "SELECT, INSERT ON export_objects",
            "DELETE ON export_objects",
        ][index];
        database
            .execute(format!(
                "REVOKE {revoked} FROM \"{some}\"; REVOKE SELECT (project_id) ON endpoints FROM \"{some}\""
            ))
            .await;
        let lacks = [
            "lacks SELECT, INSERT (key, export_id, state) on export_objects, SELECT (project_id) on endpoints",
            "lacks DELETE on export_objects, SELECT (project_id) on endpoints",
        ][index];
        let all = "lacks SELECT on _sqlx_migrations, ";
        let complaints =
            [(&none, &none_url, all), (&some, &some_url, lacks)].map(async |(name, url, lacks)| {
                let line = complaint(index, &fixture, &[("DATABASE_URL", url)]).await;
                let command = format!(": run exportctl admin migrate {option} {name}");
                let begin = format!("error: DATABASE_URL: role \"{name}\" ");
                for part in [&begin, lacks, &command] {
                    assert!(line.contains(part), "{part}: {line}");
                }
            });
        futures_util::future::join_all(complaints).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_may_not_use_the_schema_says_so() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = fixture.database();
    for (index, program) in OF.into_iter().enumerate() {
        let (name, url) = role(database, program, &format!("role{index}")).await;
        database
            .execute(format!(
                "REVOKE USAGE ON SCHEMA public FROM public, \"{name}\""
            ))
            .await;
        let line = complaint(index, &fixture, &[("DATABASE_URL", &url)]).await;
        assert!(
            line.contains("lacks USAGE on SCHEMA public: run exportctl"),
            "{line}"
        );
        database.storage().grant(program, &name).await.unwrap();
        let mut process = start(index, &fixture, &[("DATABASE_URL", &url)]);
        process
            .wait_for_event(["worker started", "listening"][index])
            .await;
    }
}

/// The rights come a moment after the schema, as with a running `exportctl admin migrate`.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_waits_a_moment_for_rights_that_are_being_granted() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = fixture.database();
    let (name, url) = database.role("late").await;
    let mut worker = start(0, &fixture, &[("DATABASE_URL", &url)]);
    let seen = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = '{name}' AND query LIKE '%WITH subject AS%'"
    );
    eventually(
        "the worker has looked for its rights",
        TIMEOUT,
        async || (database.value(&seen).await == true).then_some(()),
    )
    .await;
    database
        .storage()
        .grant(Program::Worker, &name)
        .await
        .unwrap();
    worker.wait_for_event("worker started").await;
    let log = worker.log();
    assert!(!log.contains("WARN"), "{log}");
}

/// The source is a view in another database, read by another role.
#[tokio::test(flavor = "multi_thread")]
async fn rights_in_a_separate_source_are_named_as_grants_for_it() {
    const SOURCE: &str = "EXPORTS_SOURCE_DATABASE_URL";
    let fixture = Fixture::without_services(StoreKind::File).await;
    let source = TestDatabase::create().await;
    source
        .execute(
            "ALTER TABLE messages RENAME TO stored;
             CREATE VIEW messages WITH (security_invoker) AS SELECT * FROM stored",
        )
        .await;
    for (index, program) in OF.into_iter().enumerate() {
        let (_, url) = role(fixture.database(), program, &format!("own{index}")).await;
        let (reader, source_url) = source.role(&format!("reader{index}")).await;
        let set = [("DATABASE_URL", url.as_str()), (SOURCE, &source_url)];
        let line = complaint(index, &fixture, &set).await;
        let begin =
            format!("error: {SOURCE}: role \"{reader}\" lacks SELECT (id, project_id, direction");
        assert!(line.starts_with(&begin), "{line}");
        let (_, grants) = line
            .split_once(": run in this database: ")
            .expect("the statements to run");
        assert!(!grants.contains('…'), "{grants}");
        source.execute(grants).await;

        // The view needs rights on its table.
        if program == Program::Worker {
            let line = complaint(index, &fixture, &set).await;
            assert!(
                line.contains(SOURCE) && line.contains("permission denied for table stored"),
                "{line}"
            );
            source
                .execute(format!("GRANT SELECT ON stored TO \"{reader}\""))
                .await;
        }
        let mut process = start(index, &fixture, &set);
        process
            .wait_for_event(["worker started", "listening"][index])
            .await;
    }
}

/// Waits until `/readyz` has this status.
async fn is(probe: &Client, status: u16) -> Reply {
    eventually(&format!("/readyz is {status}"), TIMEOUT, async || {
        let reply = probe.get("/readyz").await;
        (reply.status == status).then_some(reply)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_rights_are_revoked_is_not_ready_and_names_them_in_its_log() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = fixture.database();
    let (name, url) = role(database, Program::Worker, "worker").await;
    let set = [
        ("DATABASE_URL", url.as_str()),
        ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0"),
    ];
    let mut worker = start(0, &fixture, &set);
    let listening = worker.wait_for_event("health listening").await;
    let probe = Client::new(listening["address"].as_str().expect("an address"));
    is(&probe, 200).await;

    database
        .execute(format!("REVOKE INSERT ON export_objects FROM \"{name}\""))
        .await;
    let lacks = format!(
        "role \"{name}\" lacks INSERT (key, export_id, state) on export_objects: \
         run exportctl admin migrate --worker-role {name}"
    );
    assert_eq!(is(&probe, 503).await.json()["reason"], lacks);
    let failed = worker.wait_for_event("the claim failed").await;
    assert_eq!(failed["error"], lacks);
    database
        .storage()
        .grant(Program::Worker, &name)
        .await
        .unwrap();
    is(&probe, 200).await;
    worker.wait_for_event("the claim succeeds again").await;

    database
        .execute(format!(
            "REVOKE SELECT (last_error) ON messages FROM \"{name}\""
        ))
        .await;
    let id = fixture.queue_full_export().await;
    let failed = worker
        .wait_for_event("the source of messages is unavailable")
        .await;
    let reason = failed["error"].as_str().unwrap_or_default();
    let lacks = format!(
        "role \"{name}\" lacks SELECT (last_error) on messages: run exportctl admin migrate --worker-role {name}"
    );
    assert!(reason.contains(&lacks), "{reason}");
    let stored = database.export_column(id.0, "attempt_error").await;
    assert!(
        stored.as_str().is_some_and(|text| text.contains(&lacks)),
        "{stored}"
    );
    assert_eq!(is(&probe, 503).await.json()["reason"], lacks);
    database
        .storage()
        .grant(Program::Worker, &name)
        .await
        .unwrap();
    is(&probe, 200).await;
}

/// Its `/readyz` needs no key, so only the log names the rights.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_whose_rights_are_revoked_is_not_ready_and_names_them_in_its_log() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = fixture.database();
    let (name, url) = role(database, Program::Api, "api").await;
    let mut api = start(1, &fixture, &[("DATABASE_URL", &url)]);
    let address = api.wait_for_address().await;
    let probe = Client::new(&address);
    is(&probe, 200).await;
    database
        .execute(format!("REVOKE DELETE ON exports FROM \"{name}\""))
        .await;
    let reply = is(&probe, 503).await;
    assert_eq!(reply.json()["error"]["code"], "UNAVAILABLE");
    assert!(!reply.text().contains(&name), "{}", reply.text());
    let failed = api
        .wait_for_event("the check of the rights in the database failed")
        .await;
    let lacks = format!(
        "role \"{name}\" lacks DELETE on exports: run exportctl admin migrate --api-role {name}"
    );
    assert_eq!(failed["error"], Value::from(lacks));
    database.storage().grant(Program::Api, &name).await.unwrap();
    is(&probe, 200).await;
    let limit = Duration::from_secs(10);
    eventually("one line says that it is over", limit, async || {
        let _ = probe.get("/readyz").await;
        api.log()
            .contains("the check of the rights in the database succeeds again")
            .then_some(())
    })
    .await;
}
