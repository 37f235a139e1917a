//! The options of a file: stored, read and claimed, and not claimed by workers of the previous release.

use exports_database::{Created, JobsRequest, ListRequest};
use exports_domain::ExportStatus::{Pending, Processing};
use exports_domain::{
    Column, Columns, Compression, CsvOptions, Direction, Export, FileFormat, FileOptions,
    GivenOptions,
};
use exports_tests::{ExportRow, TestDatabase};
use serde_json::json;
use uuid::Uuid;

use crate::support::{PROJECT, claim, database, new_export, project};

fn options() -> FileOptions {
    let columns = vec![Column::Status, Column::MessageId];
    FileOptions::new(GivenOptions {
        format: Some(FileFormat::Csv),
        compression: Some(Compression::Gzip),
        columns: Some(Columns::new(columns, Direction::Outbound).unwrap()),
        timezone: Some("Europe/Berlin".parse().unwrap()),
        csv: Some(CsvOptions {
            bom: true,
            ..CsvOptions::default()
        }),
        max_rows_per_file: Some(1_048_575.try_into().unwrap()),
    })
    .unwrap()
}

/// A row of an export with options.
fn row(status: exports_domain::ExportStatus) -> ExportRow {
    ExportRow::of(PROJECT, status)
        .with("file_options", json!({"format": "jsonl"}))
        .with("file_extension", "jsonl")
}

/// What the claim of the previous release does to this export. Returns the number of rows that it has changed.
async fn old_claim(database: &TestDatabase, id: Uuid) -> u64 {
    sqlx::query(
        "UPDATE exports e
         SET status = 'processing', attempt = e.attempt + 1, takeovers = e.takeovers + (e.status = 'processing')::int,
             started_at = greatest(e.created_at, clock_timestamp()),
             lease_token = gen_random_uuid(), lease_owner = 'old', lease_expires_at = clock_timestamp() + interval '30 s',
             progress_rows = NULL, progress_bytes = NULL
         WHERE e.id = $1",
    )
    .bind(id)
    .execute(database.pool())
    .await
    .unwrap()
    .rows_affected()
}

#[tokio::test]
async fn options_are_kept_and_the_worker_gets_them() {
    let database = database().await;
    let storage = database.storage();
    let mut new = new_export();
    new.options = options();
    let Created::New(export) = storage.create_export(&new).await.unwrap() else {
        panic!("the export is new")
    };
    assert_eq!(export.options, new.options);
    let read = storage.get_export(&project(), new.id).await.unwrap();
    assert_eq!(read.unwrap().options, new.options);
    for status in [None, Some(Pending)] {
        let request = ListRequest {
            limit: 1,
            after: None,
            status,
        };
        let page = storage.list_exports(&project(), request).await.unwrap();
        assert_eq!(page.exports[0].options, new.options);
    }
    let jobs = storage.jobs(JobsRequest {
        statuses: &[],
        project: None,
        export: Some(new.id),
        limit: 1,
    });
    assert_eq!(jobs.await.unwrap()[0].options, new.options);

    let claimed = claim(&storage).await.unwrap();
    assert_eq!(claimed.options, new.options);
    assert!(
        claimed.object_key.ends_with(".csv.gz"),
        "{}",
        claimed.object_key
    );
}

#[tokio::test]
async fn an_export_without_options_stores_none() {
    let database = database().await;
    let storage = database.storage();
    storage.create_export(&new_export()).await.unwrap();
    let stored = "SELECT file_options, file_extension, claim_reads_options FROM exports";
    let nothing =
        json!({"file_options": null, "file_extension": null, "claim_reads_options": null});
    assert_eq!(database.rows(stored).await, std::slice::from_ref(&nothing));
    let claimed = claim(&storage).await.unwrap();
    assert!(claimed.options.is_plain());
    let name = claimed.object_key.rsplit_once('.');
    assert_eq!(name.unwrap().1, "csv", "{}", claimed.object_key);
    assert_eq!(database.rows(stored).await, [nothing]);
}

#[tokio::test]
async fn a_worker_of_the_previous_release_claims_only_exports_without_options() {
    let database = database().await;
    let storage = database.storage();
    let plain = ExportRow::of(PROJECT, Pending)
        .insert(database.pool())
        .await;
    assert_eq!(old_claim(&database, plain).await, 1);
    let pending = row(Pending).insert(database.pool()).await;
    assert_eq!(old_claim(&database, pending).await, 0);
    // The claim of this release gives the signal, which is not stored: an old worker cannot take the export over either.
    let claimed = claim(&storage).await.unwrap();
    assert_eq!(claimed.lease.export.0, pending);
    assert_eq!(old_claim(&database, pending).await, 0);
    let expired = row(Processing).lease_ended();
    let expired = expired.insert(database.pool()).await;
    assert_eq!(old_claim(&database, expired).await, 0);
    let claimed = claim(&storage).await.unwrap();
    assert!(claimed.lease.export.0 == expired && claimed.taken_over);
}

#[tokio::test]
async fn defaults_that_are_given_are_the_same_request() {
    let database = database().await;
    let storage = database.storage();
    let keyed = |options: FileOptions| exports_database::NewExport {
        options,
        idempotency_key: Some("key".to_owned()),
        ..new_export()
    };
    let plain = keyed(FileOptions::default());
    storage.create_export(&plain).await.unwrap();
    let given = FileOptions::new(GivenOptions {
        format: Some(FileFormat::Csv),
        ..GivenOptions::default()
    });
    let same = storage.create_export(&keyed(given.unwrap())).await.unwrap();
    let is_first = |export: &Export| export.id == plain.id && export.options.is_plain();
    assert!(
        matches!(&same, Created::Replayed(export) if is_first(export)),
        "{same:?}"
    );
    let other = storage.create_export(&keyed(options())).await.unwrap();
    assert_eq!(other, Created::Mismatch);
}
