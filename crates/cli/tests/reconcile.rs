//! `exportctl admin reconcile`: what it finds, what it leaves alone, and what it repairs, on every store.

mod run;

use std::fs::File;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use exports_domain::ExportStatus;
use exports_objects::{FileHeaders, Store, StoreConfig};
use exports_tests::{ExportRow, RunningStore, StoreKind, TestDatabase};
use serde_json::Value;

use run::{Answer, admin};

const PROJECT: &str = "proj_abc123";

fn row(status: ExportStatus) -> ExportRow {
    ExportRow::of(PROJECT, status)
}

/// A database and a store.
struct Fixture {
    database: TestDatabase,
    store: RunningStore,
}

impl Fixture {
    async fn on(kind: StoreKind) -> Self {
        let database = TestDatabase::create().await;
        database.project(PROJECT).await;
        Self {
            database,
            store: RunningStore::start(kind),
        }
    }

    async fn run(&self, options: &str) -> Answer {
        let mut environment = self.store.environment();
        environment.push(("DATABASE_URL".to_owned(), self.database.url().to_owned()));
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        admin(&environment, format!("reconcile {options}").trim()).await
    }

    async fn put(&self, key: &str) {
        let environment = self.store.environment();
        let url = environment
            .iter()
            .find(|(name, _)| name == "EXPORTS_OBJECT_STORE_URL")
            .map(|(_, url)| url.clone())
            .expect("a URL");
        let config = StoreConfig {
            url,
            public_endpoint: None,
        };
        let store = Store::open_with(&config, environment).expect("the store opens");
        let headers = FileHeaders::attachment("export.csv", "text/csv; charset=utf-8");
        let put = store.put(key, vec![b'x'; 120].into(), &headers);
        put.await.expect("the store takes the file");
    }

    /// Makes every file so old. Only the file store, whose clock is the machine's.
    fn age_all(&self, age: Duration) {
        let RunningStore::File(folder) = &self.store else {
            panic!("only files have a time that a test can set")
        };
        for key in self.store.listing() {
            let file = File::options().write(true).open(folder.path().join(key));
            let file = file.expect("a file");
            file.set_modified(SystemTime::now() - age)
                .expect("its time");
        }
    }

    /// The status as every read of the API sees it.
    async fn status(&self, row: &ExportRow) -> Value {
        let sql = format!(
            "SELECT CASE WHEN status = 'completed' AND expires_at <= now() THEN 'expired' ELSE status END \
             FROM exports WHERE id = '{}'",
            row.id()
        );
        self.database.value(&sql).await
    }
}

#[tokio::test]
async fn records_without_files_are_listed_and_expired_on_every_store() {
    for kind in StoreKind::all().iter().copied() {
        let fixture = Fixture::on(kind).await;
        let pool = fixture.database.pool();
        let nothing = fixture.run("").await;
        assert_eq!(nothing.code, Some(0), "{}", nothing.err);
        assert_eq!(
            nothing.out,
            "0 files, 0 without record (0 B); 0 completed exports, 0 without file"
        );

        let complete = row(ExportStatus::Completed);
        let missing = row(ExportStatus::Completed);
        let over = row(ExportStatus::Completed).with_ago("expires_at", TimeDelta::minutes(1));
        for row in [&complete, &missing, &over] {
            row.insert_with_object(pool, "kept").await;
        }
        for status in [
            ExportStatus::Pending,
            ExportStatus::Processing,
            ExportStatus::Failed,
            ExportStatus::Expired,
        ] {
            row(status).insert(pool).await;
        }
        fixture.put(&complete.object_key()).await;

        let found = fixture.run("").await;
        assert_eq!(found.code, Some(3), "{}", found.err);
        assert_eq!(found.err, "");
        let lines: Vec<_> = found.out.lines().collect();
        let line = format!("record without file  {}  120 B", missing.object_key());
        assert_eq!(lines[0], line);
        let summary = "1 files, 0 without record (0 B); 2 completed exports, 1 without file; nothing was changed";
        assert!(
            lines.len() == 2 && lines[1].starts_with(summary),
            "{}",
            found.out
        );
        assert_eq!(
            fixture.status(&missing).await,
            "completed",
            "nothing was changed"
        );

        let repaired = fixture.run("--delete --json").await;
        assert_eq!(repaired.code, Some(0), "{}", repaired.err);
        let lines: Vec<Value> = repaired
            .out
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[0]["finding"], "record_without_file");
        assert_eq!(lines[0]["export_id"], missing.id().to_string());
        assert_eq!(lines[1]["records_expired"], 1);
        assert_eq!(lines[1]["files_deleted"], 0);
        assert!(repaired.err.contains("files.reconcile"), "{}", repaired.err);
        assert_eq!(fixture.status(&missing).await, "expired");
        assert_eq!(fixture.status(&complete).await, "completed");
        assert_eq!(fixture.store.listing(), [complete.object_key()]);
        assert_eq!(fixture.run("").await.code, Some(0), "all of it is repaired");
    }
}

#[tokio::test]
async fn files_without_records_are_listed_and_deleted() {
    let fixture = Fixture::on(StoreKind::File).await;
    let pool = fixture.database.pool();
    let unknown = row(ExportStatus::Completed).object_key();
    // A killed worker left this staging file.
    let staging = format!("{}#1", row(ExportStatus::Completed).object_key());
    let complete = row(ExportStatus::Completed);
    complete.insert_with_object(pool, "kept").await;
    // The janitor deletes it.
    let doomed = row(ExportStatus::Expired);
    doomed.insert_with_object(pool, "doomed").await;
    let writing = row(ExportStatus::Processing);
    writing.insert_with_object(pool, "writing").await;
    // Another attempt of a running export, whose record is not restored.
    let running = row(ExportStatus::Processing);
    running.insert(pool).await;
    // Not ours.
    let foreign = "proj_abc123/notes.csv".to_owned();
    let left = [
        complete.object_key(),
        doomed.object_key(),
        writing.object_key(),
        running.object_key(),
        foreign,
    ];
    for key in left.iter().chain([&unknown]) {
        fixture.put(key).await;
    }
    let RunningStore::File(folder) = &fixture.store else {
        unreachable!("it was started as a folder")
    };
    let path = folder.path().join(&staging);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
    std::fs::write(path, "half a fi").expect("the staging file");

    let young = fixture.run("").await;
    assert_eq!(young.code, Some(0), "{} {}", young.out, young.err);
    fixture.age_all(Duration::from_mins(59));
    assert_eq!(
        fixture.run("").await.code,
        Some(0),
        "files younger than an hour"
    );

    fixture.age_all(Duration::from_mins(61));
    let before = fixture.store.listing();
    let found = fixture.run("").await;
    assert_eq!(found.code, Some(3), "{}", found.err);
    let mut lines: Vec<_> = found.out.lines().collect();
    let summary = lines.pop().expect("a summary");
    lines.sort_unstable();
    let mut expected = [
        format!("file without record  {unknown}  120 B"),
        format!("file without record  {staging}  9 B"),
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert!(
        summary.starts_with(
            "6 files (1 other objects were ignored), 2 without record (129 B); 1 completed"
        ),
        "{summary}"
    );
    assert_eq!(fixture.store.listing(), before, "nothing was changed");

    let repaired = fixture.run("--delete").await;
    assert_eq!(repaired.code, Some(0), "{}", repaired.err);
    assert!(
        repaired.out.contains("deleted 2 files, expired 0 exports"),
        "{}",
        repaired.out
    );
    let mut left = left.to_vec();
    left.sort_unstable();
    assert_eq!(fixture.store.listing(), left);
}

/// More than one page of both.
#[tokio::test]
async fn every_page_is_compared() {
    let fixture = Fixture::on(StoreKind::File).await;
    fixture
        .database
        .execute(format!(
            "INSERT INTO exports (id, project_id, created_at, due_at, direction, filter_start_time, filter_end_time, status,
                 attempt, lease_token, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, object_key)
             SELECT id, '{PROJECT}', now(), now(), 'outbound', '2025-01-01', '2025-02-01', 'completed', 1, id, now(), now(),
                 now() + interval '1 day', 0, 1, decode(repeat('ab', 32), 'hex'), format('{PROJECT}/%s/1-%s.csv', id, id)
             FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 2500)) ids"
        ))
        .await;
    let RunningStore::File(folder) = &fixture.store else {
        unreachable!("it was started as a folder")
    };
    for number in 0..2_300_u128 {
        let id = uuid::Uuid::from_u128(number);
        let path = folder.path().join(format!("{PROJECT}/{id}/1-{id}.csv"));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(path, "x").expect("a file");
    }
    fixture.age_all(Duration::from_hours(2));
    let repaired = fixture.run("--delete").await;
    assert_eq!(repaired.code, Some(0), "{}", repaired.err);
    let summary = repaired.out.lines().last().expect("a summary");
    assert_eq!(
        summary,
        "2300 files, 2300 without record (2.25 KiB); 2500 completed exports, 2500 without file; deleted 2300 files, \
         expired 2500 exports"
    );
    assert_eq!(fixture.store.listing(), [""; 0]);
    assert_eq!(fixture.run("").await.code, Some(0));
}

#[tokio::test]
async fn an_unavailable_store_is_an_error_and_repairs_nothing() {
    let fixture = Fixture::on(StoreKind::S3).await;
    let row = row(ExportStatus::Completed);
    row.insert_with_object(fixture.database.pool(), "kept")
        .await;
    let refused = exports_tests::s3::Fault::Answer(403);
    let server = fixture.store.s3().expect("a server");
    let fault = server.inject(|_| true, refused);
    let answer = fixture.run("--delete").await;
    assert_eq!(answer.code, Some(1), "{} {}", answer.out, answer.err);
    drop(fault);
    let head = |seen: &exports_tests::s3::Seen| seen.kind == exports_tests::s3::Kind::Head;
    let _fault = server.inject(head, exports_tests::s3::Fault::Answer(500));
    let answer = fixture.run("--delete").await;
    assert_eq!(answer.code, Some(1), "{} {}", answer.out, answer.err);
    assert_eq!(fixture.status(&row).await, "completed");
}
