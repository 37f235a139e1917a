//! Roles with least privilege: each program has only the rights that it needs.

use std::time::Duration;

use chrono::TimeDelta;
use exports_database::{
    Canceled, ClaimRequest, Created, Database, Deleted, FileLookup, GrantError, Leased,
    ListRequest, MigrationState, Program, Progress,
};
use exports_domain::ExportStatus::{Completed, Failed, Processing};
use exports_domain::{Direction, EndpointId};
use exports_postgres::PoolPurpose;
use exports_source::Source;
use exports_source::{EndpointUrls, SourceSession};
use exports_tests::{Endpoint, ExportRow, Message, TestDatabase, uuid};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::support::sessions::{known_urls, read};
use crate::support::{
    LEASE, PROJECT, claim, database, failure, filter, finished_file, new_export, project, queue,
    worker,
};

const PURPOSE: PoolPurpose = PoolPurpose::Api;
const ENDPOINT: Uuid = uuid(7);

fn endpoint() -> Endpoint {
    Endpoint::outbound(PROJECT, ENDPOINT, "https://example.com/hook")
}

/// A role with the rights of a program, and the URL with which it connects.
pub(crate) async fn role(database: &TestDatabase, program: Program) -> (String, String) {
    let suffix = match program {
        Program::Api => "api",
        Program::Worker => "worker",
    };
    let (name, url) = database.role(suffix).await;
    database.storage().grant(program, &name).await.unwrap();
    (name, url)
}

#[tokio::test]
async fn the_api_role_can_run_every_api_operation() {
    let database = database().await;
    let key = database.storage().create_key(&project(), None).await;
    let secret = key.unwrap().unwrap().secret;
    Endpoint::insert(database.pool(), &[endpoint()]).await;
    let (_, url) = role(&database, Program::Api).await;
    let storage = Database::new(&url, PURPOSE).unwrap();

    let state = storage.migration_state().await.unwrap();
    assert_eq!(state, MigrationState::Current);
    let owner = storage.authenticate(&secret).await.unwrap();
    assert_eq!(owner.unwrap().project, project());
    let used = "SELECT last_used_at IS NOT NULL FROM api_keys";
    assert_eq!(database.value(used).await, true, "the use is recorded");
    let source = Source::same_as(&storage);
    let project = project();
    let known = source.has_endpoints(&project, Direction::Outbound, &[EndpointId(ENDPOINT)]);
    assert!(known.await.unwrap());

    let mut new = new_export();
    new.idempotency_key = Some("key".to_owned());
    let created = storage.create_export(&new).await.unwrap();
    assert!(matches!(created, Created::New(_)), "{created:?}");
    new.id = new_export().id;
    let replayed = storage.create_export(&new).await.unwrap();
    assert!(matches!(replayed, Created::Replayed(_)), "{replayed:?}");
    database
        .execute("UPDATE exports SET created_at = created_at - interval '25 hours'")
        .await;
    assert_eq!(
        storage.find_replay(&new).await.unwrap(),
        None,
        "the key is free"
    );

    let row = ExportRow::of(PROJECT, Completed);
    let export = row.insert_with_object(database.pool(), "kept").await;
    let export = exports_domain::ExportId(export);
    assert!(
        storage
            .get_export(&project, export)
            .await
            .unwrap()
            .is_some()
    );
    let all = ListRequest {
        limit: 10,
        after: None,
        status: None,
    };
    let page = storage.list_exports(&project, all).await.unwrap();
    assert_eq!(page.exports.len(), 2);
    let file = storage.find_file(None, export).await.unwrap();
    assert!(matches!(file, FileLookup::Ready { .. }), "{file:?}");
    let canceled = storage.cancel_export(&project, new.id, "why").await;
    assert_eq!(canceled.unwrap(), Canceled::Missing, "it was replayed");
    let running = ExportRow::of(PROJECT, Processing);
    let running = running.insert_with_object(database.pool(), "writing").await;
    let running = exports_domain::ExportId(running);
    let canceled = storage.cancel_export(&project, running, "why").await;
    assert!(matches!(canceled, Ok(Canceled::Now(_))), "{canceled:?}");
    let retried = storage.find_retry(&project, "key", running).await;
    assert_eq!(retried.unwrap(), None);
    Message::insert(database.pool(), &[Message::outbound(PROJECT)]).await;
    let counted = source.count_rows(&project, &filter(), LEASE).await.unwrap();
    assert_eq!((counted.rows, counted.is_exact), (1, true));
    let deleted = storage.delete_export(&project, export).await.unwrap();
    let Deleted::Gone { object_keys } = deleted else {
        panic!("{deleted:?}")
    };
    storage
        .object_deleted(&object_keys[0], Duration::ZERO)
        .await
        .unwrap();
    let left = "SELECT count(*) FROM export_objects WHERE state <> 'doomed'";
    assert_eq!(database.value(left).await, 0);
}

#[tokio::test]
async fn the_worker_role_can_run_every_worker_operation() {
    let database = database().await;
    Endpoint::insert(database.pool(), &[endpoint()]).await;
    Message::insert(database.pool(), &[Message::outbound(PROJECT)]).await;
    let (_, url) = role(&database, Program::Worker).await;
    let storage = Database::new(&url, PURPOSE).unwrap();
    let state = storage.migration_state().await.unwrap();
    assert_eq!(state, MigrationState::Current);
    let mut listener = storage.listen().await.unwrap();

    queue(&database, PROJECT, 4).await;
    let [one, two, three, four] = [(); 4].map(|()| claim(&storage));
    let claims = [one.await, two.await, three.await, four.await].map(Option::unwrap);
    let [first, second, third, fourth] = &claims;
    for claim in &claims {
        let held = storage
            .heartbeat(claim.lease, LEASE, Progress::default())
            .await
            .unwrap();
        assert_eq!(held, Leased::Held(()));
    }
    let key = &first.object_key;
    let recorded = storage.record_upload(first.lease, key, "upload").await;
    assert_eq!(recorded.unwrap(), Leased::Held(()));
    let recorded = storage.record_file(first.lease, key, 2).await;
    assert_eq!(recorded.unwrap(), Leased::Held(()));
    let done = storage.complete(first.lease, key, &finished_file()).await;
    assert!(matches!(done.unwrap(), Leased::Held(_)));
    let failed = storage.fail(second.lease, &failure(), "why").await;
    assert_eq!(failed.unwrap(), Leased::Held(()));
    let retried = storage.retry(third.lease, LEASE, "why").await;
    assert_eq!(retried.unwrap(), Leased::Held(()));
    let released = storage.release(fourth.lease).await;
    assert_eq!(released.unwrap(), Leased::Held(()));
    listener.next().await.unwrap();

    sweeps(&database, &storage).await;
    reads(&storage).await;
}

async fn sweeps(database: &TestDatabase, storage: &Database) {
    let over = ExportRow::of(PROJECT, Completed)
        .with_ago("expires_at", TimeDelta::seconds(1))
        .with("idempotency_key", "key")
        .with_ago("created_at", TimeDelta::days(2));
    over.insert_with_object(database.pool(), "kept").await;
    let lost = ExportRow::of(PROJECT, Processing).lease_ended();
    lost.insert_with_object(database.pool(), "writing").await;
    assert_eq!(storage.expire_due(10).await.unwrap().len(), 1);
    let failed = storage.fail_exhausted(1, &failure(), 10).await.unwrap();
    assert_eq!(failed.len(), 1);
    let cleared = storage.clear_stale_idempotency_keys(10).await.unwrap();
    assert_eq!(cleared, 1);
    let old = ExportRow::of(PROJECT, Failed).with_ago("started_at", TimeDelta::minutes(59));
    old.insert(database.pool()).await;
    let pruned = storage.prune_records(Duration::from_mins(55), 10).await;
    assert_eq!(pruned.unwrap(), 1);
    for object in storage.take_pending_deletions(10).await.unwrap() {
        storage.object_deleted(&object.key, LEASE).await.unwrap();
    }
    let forgotten = format!(
        "SELECT count(*) FROM export_objects WHERE key = '{}'",
        over.object_key()
    );
    assert_eq!(database.value(&forgotten).await, 0);
}

async fn reads(storage: &Database) {
    let mut session = Source::same_as(storage).open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let urls = urls_of(&mut session).await;
    assert!(matches!(urls, EndpointUrls::All(urls) if urls.len() == 1));
    for column in [&known_urls(), &EndpointUrls::InRows] {
        read(&mut session, &filter(), column).await;
    }
    session.finish().await.unwrap();
}

/// Statements that are rejected, each with the programs whose role must not run it.
const REFUSED: [(&str, &[Program]); 29] = {
    use Program::{Api, Worker};
    [
        ("SELECT id FROM projects", &[Worker]),
        ("SELECT created_at FROM projects", &[Api, Worker]),
        ("SELECT id FROM projects FOR SHARE", &[Api, Worker]),
        ("UPDATE projects SET suspended_at = NULL", &[Api, Worker]),
        ("UPDATE api_keys SET scope = 'write'", &[Api, Worker]),
        ("UPDATE api_keys SET expires_at = NULL", &[Api, Worker]),
        ("INSERT INTO projects VALUES ('proj_b')", &[Api, Worker]),
        ("DELETE FROM projects", &[Api, Worker]),
        ("SELECT key_sha256 FROM api_keys", &[Worker]),
        ("SELECT label FROM api_keys", &[Api, Worker]),
        (
            "INSERT INTO api_keys (project_id, prefix, key_sha256) VALUES ('proj_a', 'exk_', sha256('x'))",
            &[Api, Worker],
        ),
        ("UPDATE api_keys SET revoked_at = NULL", &[Api, Worker]),
        ("UPDATE api_keys SET project_id = 'proj_b'", &[Api, Worker]),
        ("DELETE FROM api_keys", &[Api, Worker]),
        ("UPDATE exports SET row_count = 1", &[Api]),
        ("UPDATE exports SET sha256 = NULL", &[Api]),
        ("UPDATE exports SET lease_token = NULL", &[Api]),
        ("UPDATE exports SET object_key = 'another'", &[Api]),
        ("UPDATE exports SET project_id = 'proj_b'", &[Api, Worker]),
        ("UPDATE exports SET filter_status = NULL", &[Api, Worker]),
        (
            "INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time)
             VALUES (gen_random_uuid(), 'proj_a', now(), now(), 'pending', 'outbound', '2025-12-01', '2025-12-02')",
            &[Worker],
        ),
        (
            "INSERT INTO export_objects (key, export_id, state) VALUES ('key', gen_random_uuid(), 'kept')",
            &[Api],
        ),
        ("UPDATE export_objects SET key = 'another'", &[Api, Worker]),
        ("SELECT last_error FROM messages", &[Api]),
        ("UPDATE messages SET status = 'queued'", &[Api, Worker]),
        ("DELETE FROM messages", &[Api, Worker]),
        ("SELECT url FROM endpoints", &[Api]),
        ("UPDATE endpoints SET url = ''", &[Api, Worker]),
        ("DELETE FROM _sqlx_migrations", &[Api, Worker]),
    ]
};

#[tokio::test]
async fn roles_cannot_run_statements_that_their_program_does_not_need() {
    let database = database().await;
    for program in [Program::Api, Program::Worker] {
        let (_, url) = role(&database, program).await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let whole = [
            "TRUNCATE exports",
            "DROP TABLE exports",
            "CREATE INDEX ON exports (status)",
        ];
        let refused = REFUSED.iter().filter(|(_, who)| who.contains(&program));
        for statement in refused.map(|(text, _)| *text).chain(whole) {
            let tried = sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await;
            let error = tried.expect_err(&format!("{program:?} may: {statement}"));
            let state = error
                .as_database_error()
                .unwrap()
                .code()
                .unwrap()
                .into_owned();
            assert_eq!(state, "42501", "{program:?}: {statement}: {error}");
        }
    }
}

#[tokio::test]
async fn granting_revokes_rights_that_are_no_longer_needed() {
    let database = database().await;
    let (name, url) = role(&database, Program::Worker).await;
    database
        .execute(format!(
            "GRANT ALL ON api_keys, exports TO \"{name}\"; GRANT SELECT (label) ON api_keys TO \"{name}\""
        ))
        .await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let mut may =
        async |sql: &'static str| sqlx::raw_sql(sql).execute(&mut connection).await.is_ok();
    assert!(may("SELECT label FROM api_keys").await);
    database
        .storage()
        .grant(Program::Worker, &name)
        .await
        .unwrap();
    assert!(!may("SELECT label FROM api_keys").await);
    assert!(!may("UPDATE exports SET filter_status = NULL").await);
    assert!(may("SELECT FROM exports").await);
}

#[tokio::test]
async fn missing_roles_and_the_owner_are_rejected() {
    let database = database().await;
    let storage = database.storage();
    for nobody in ["nobody_at_all", "x\"; DROP TABLE exports; --", ""] {
        let error = storage.grant(Program::Api, nobody).await.unwrap_err();
        assert!(matches!(error, GrantError::NoRole { .. }), "{error:?}");
    }
    let owner = database.value("SELECT current_user::text").await;
    let error = storage.grant(Program::Api, owner.as_str().unwrap()).await;
    assert!(matches!(error, Err(GrantError::Owner { .. })), "{error:?}");
    assert!(
        claim(&storage).await.is_none(),
        "the owner can still query the queue"
    );
}

#[tokio::test]
async fn a_role_name_can_contain_quotes_spaces_and_semicolons() {
    let database = database().await;
    let (name, url) = database.role("odd \"name\" d'été; --").await;
    database
        .storage()
        .grant(Program::Worker, &name)
        .await
        .unwrap();
    let storage = Database::new(&url, PURPOSE).unwrap();
    assert!(storage.claim(&worker("worker-1")).await.is_ok());
}

/// Each single right that a program has is missed when it is revoked.
#[tokio::test]
async fn every_missing_right_is_found() {
    let database = database().await;
    let storage = database.storage();
    for program in [Program::Api, Program::Worker] {
        let (name, url) = role(&database, program).await;
        let own = Database::new(&url, PURPOSE).unwrap();
        let missing = async |role| own.missing_rights(program, role, true).await.unwrap();
        assert_eq!(missing(None).await, None);
        assert_eq!(
            storage
                .missing_rights(program, Some(&name), true)
                .await
                .unwrap(),
            None
        );
        let rights = database.rows(&granted_to(&name)).await;
        assert!(rights.len() > 20, "{program:?}: {rights:?}");
        for right in rights {
            let [privilege, columns, relation] = ["privilege", "columns", "relation"]
                .map(|part| right[part].as_str().unwrap().to_owned());
            let right = format!("{privilege}{columns} ON {relation}");
            database
                .execute(format!("REVOKE {right} FROM \"{name}\""))
                .await;
            let found = missing(None).await.expect(&right).to_string();
            let lacks = format!(
                "role \"{name}\" lacks {privilege}{columns} on {relation}: run exportctl admin migrate --"
            );
            assert!(
                found.starts_with(&lacks) && found.ends_with(&name),
                "{right}: {found}"
            );
            let from_outside = storage.missing_rights(program, Some(&name), true).await;
            assert_eq!(from_outside.unwrap().unwrap().to_string(), found);
            database
                .execute(format!("GRANT {right} TO \"{name}\""))
                .await;
        }
        assert_eq!(missing(None).await, None);
    }
    // The owner.
    for program in [Program::Api, Program::Worker] {
        let missing = storage.missing_rights(program, None, true).await;
        assert_eq!(missing.unwrap(), None);
    }
    let error = storage
        .missing_rights(Program::Api, Some("nobody_at_all"), true)
        .await;
    let error = exports_domain::error_line(&error.unwrap_err());
    assert!(
        error.contains("role \"nobody_at_all\" does not exist"),
        "{error}"
    );
}

/// The privileges of a role on tables and on single columns.
fn granted_to(role: &str) -> String {
    format!(
        "SELECT acl.privilege_type AS privilege, '' AS columns, c.relname AS relation
         FROM pg_class c, aclexplode(c.relacl) acl, pg_roles r
         WHERE acl.grantee = r.oid AND r.rolname = '{role}'
         UNION ALL
         SELECT acl.privilege_type, format(' (%s)', a.attname), c.relname
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) acl, pg_roles r
         WHERE acl.grantee = r.oid AND r.rolname = '{role}'"
    )
}

/// The claim of nothing needs the same rights as a claim, and changes nothing.
#[tokio::test]
async fn a_trial_claim_claims_nothing() {
    let database = database().await;
    queue(&database, PROJECT, 1).await;
    let (name, url) = role(&database, Program::Worker).await;
    let storage = Database::new(&url, PURPOSE).unwrap();
    storage.claim_nothing().await.unwrap();
    assert_eq!(
        database.value("SELECT status FROM exports").await,
        "pending"
    );
    database
        .execute(format!(
            "REVOKE INSERT (state) ON export_objects FROM \"{name}\""
        ))
        .await;
    let error = storage.claim_nothing().await.unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("42501"));
}

/// The migrator owns the service's tables; another role owns the platform's tables.
#[tokio::test]
async fn rights_on_tables_of_another_owner_are_reported_as_a_grant_statement() {
    let database = TestDatabase::empty().await;
    let (migrator, migrator_url) = database.role("migrator").await;
    let (worker, worker_url) = database.role("worker").await;
    database
        .execute(format!(
            "GRANT ALL ON SCHEMA public TO \"{migrator}\"; REVOKE USAGE ON SCHEMA public FROM public;
             GRANT USAGE ON SCHEMA public TO \"{worker}\";
             CREATE TABLE endpoints (id uuid, project_id text, direction text, url text, created_at timestamptz)"
        ))
        .await;
    let storage = Database::new(&migrator_url, PURPOSE).unwrap();
    storage.migrate().await.unwrap();
    let error = storage.grant(Program::Worker, &worker).await.unwrap_err();
    let GrantError::NotOurs { statement, .. } = error else {
        panic!("{error:?}")
    };
    assert!(
        statement.starts_with("GRANT SELECT (id, project_id"),
        "{statement}"
    );

    database.execute(statement).await;
    storage.grant(Program::Worker, &worker).await.unwrap();
    let storage = Database::new(&worker_url, PURPOSE).unwrap();
    let request = ClaimRequest {
        limit: 2,
        ..crate::support::worker("worker-1")
    };
    assert!(storage.claim(&request).await.unwrap().is_empty());
    reads_nothing(&storage).await;
}

async fn reads_nothing(storage: &Database) {
    let mut session = Source::same_as(storage).open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let urls = urls_of(&mut session).await;
    assert_eq!(urls, EndpointUrls::All([].into()));
}

async fn urls_of(session: &mut SourceSession) -> EndpointUrls {
    let urls = session.endpoint_urls(Direction::Outbound, 10).await;
    urls.unwrap()
}
