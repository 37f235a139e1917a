//! Files are deleted when they expire or when their export is deleted, even if the store fails for some time.

use std::collections::HashSet;
use std::path::PathBuf;

use chrono::TimeDelta;
use exports_database::Deleted;
use exports_domain::{ExportId, ExportStatus};
use exports_tests::s3::{Fault, Injected, Kind};
use exports_tests::{ExportRow, TIMEOUT, eventually};

use crate::support::{Fixture, PROJECT, Worker, on_every_store};

#[tokio::test(flavor = "multi_thread")]
async fn an_export_expires_on_time_and_its_file_is_deleted() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let mut patient = fixture.start_worker(&[]);
        let stays = fixture.queue_full_export().await;
        fixture.read_file(stays).await;
        patient.terminate();
        patient.wait().await;
        let _workers = fixture.janitors(&[("EXPORTS_FILE_TTL", "2s")]).await;

        let goes = fixture.queue_full_export().await;
        fixture.wait_for_column(goes, "status", "expired").await;

        fixture.wait_for_files_of(&[stays]).await;
        let lived =
            "SELECT expires_at - completed_at = '2s' AND object_key IS NULL AND row_count = 1
             AND num_nulls(file_size_bytes, sha256) = 0 FROM exports WHERE status = 'expired'";
        assert_eq!(fixture.database().value(lived).await, true);
        let week =
            "SELECT expires_at - completed_at = '7d' FROM exports WHERE status = 'completed'";
        assert_eq!(fixture.database().value(week).await, true);
        wait_until_nothing_is_pending_deletion(fixture).await;

        expire_now(fixture, stays).await;
        fixture.wait_for_column(stays, "status", "expired").await;
        fixture.wait_for_empty_store().await;
        wait_until_nothing_is_pending_deletion(fixture).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_records_are_deleted_only_if_they_have_no_file() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let mut patient = fixture.start_worker(&[]);
        let [expired, kept] = [
            fixture.queue_full_export().await,
            fixture.queue_full_export().await,
        ];
        fixture.read_file(expired).await;
        fixture.read_file(kept).await;
        expire_now(fixture, expired).await;
        fixture.wait_for_column(expired, "status", "expired").await;
        fixture.wait_for_files_of(&[kept]).await;
        wait_until_nothing_is_pending_deletion(fixture).await;
        patient.terminate();
        patient.wait().await;

        let _workers = fixture.janitors(&[("EXPORTS_RECORD_TTL", "1s")]).await;
        let only_kept = format!(
            "SELECT array_agg(id::text) = ARRAY['{}'] FROM exports",
            kept.0
        );
        eventually("the old record is deleted", TIMEOUT, async || {
            (fixture.database().value(&only_kept).await == true).then_some(())
        })
        .await;
        fixture.wait_for_column(kept, "status", "completed").await;
        fixture.wait_for_files_of(&[kept]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_file_deletions_are_retried_until_the_store_recovers() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let workers = fixture
            .janitors(&[("RUST_LOG", "info,exports_worker::background=debug")])
            .await;
        let [expired, deleted] = [
            fixture.queue_full_export().await,
            fixture.queue_full_export().await,
        ];
        fixture.read_file(expired).await;
        fixture.read_file(deleted).await;
        let refusing = [
            RefusingDeletion::of(fixture, expired).await,
            RefusingDeletion::of(fixture, deleted).await,
        ];

        expire_now(fixture, expired).await;
        fixture.wait_for_column(expired, "status", "expired").await;
        delete_record(fixture, deleted).await;

        refused(&workers, 2).await;
        assert_ne!(fixture.store_listing(), [""; 0]);
        drop(refusing);
        // Simulates a minute.
        fixture.wait_for_sweep().await;
        fixture.wait_for_empty_store().await;
        wait_until_nothing_is_pending_deletion(fixture).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sweeps_of_two_workers_expire_each_export_once() {
    on_every_store(async |fixture| {
        const EXPORTS: usize = 250;
        for _ in 0..EXPORTS {
            let row = ExportRow::of(PROJECT, ExportStatus::Completed);
            let over = row.with_ago("expires_at", TimeDelta::seconds(1));
            over.insert_with_object(fixture.database().pool(), "kept")
                .await;
        }
        let workers = [fixture.start_worker(&[]), fixture.start_worker(&[])];

        let unexpired = "SELECT count(*) FROM exports WHERE status <> 'expired'";
        eventually("every export is expired", TIMEOUT, async || {
            (fixture.database().value(unexpired).await == 0).then_some(())
        })
        .await;
        wait_until_nothing_is_pending_deletion(fixture).await;
        let events: Vec<_> = workers.iter().flat_map(|worker| worker.events()).collect();
        let expired = events
            .iter()
            .filter(|event| event["message"] == "export expired");
        let ids: Vec<_> = expired
            .map(|event| event["export.id"].to_string())
            .collect();
        assert_eq!(ids.len(), EXPORTS);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), EXPORTS);
        let warnings = events.iter().filter(|event| event["level"] != "INFO");
        assert_eq!(warnings.count(), 0);
    })
    .await;
}

async fn expire_now(fixture: &Fixture, id: ExportId) {
    let pass = "UPDATE exports SET expires_at = clock_timestamp() WHERE id =";
    fixture.database().execute(format!("{pass} '{id}'")).await;
}

/// Deletes an export as the API does, without the object in the store.
async fn delete_record(fixture: &Fixture, id: ExportId) {
    let key = fixture.object_key_of(id).await;
    let storage = fixture.database().storage();
    let deleted = storage.delete_export(fixture.project_id(), id).await;
    let deleted = deleted.expect("a response of the database");
    assert_eq!(
        deleted,
        Deleted::Gone {
            object_keys: vec![key]
        }
    );
    // Makes the sweep due now. Normally the API has half a minute to delete the object first.
    let soon = "UPDATE export_objects SET sweep_at = clock_timestamp() WHERE state = 'doomed' AND sweep_at > clock_timestamp()
         AND export_id NOT IN (SELECT id FROM exports)";
    fixture.database().execute(soon).await;
}

/// Waits until janitors have failed to delete objects this many times.
async fn refused(workers: &[Worker], times: usize) {
    const REFUSED: &str = "an object could not be deleted";
    eventually("janitors have tried", TIMEOUT, async || {
        let logs = workers.iter().map(|worker| worker.log());
        let tried: usize = logs.map(|log| log.matches(REFUSED).count()).sum();
        (tried >= times).then_some(())
    })
    .await;
}

/// Waits until no object is pending deletion.
async fn wait_until_nothing_is_pending_deletion(fixture: &Fixture) {
    let doomed = "SELECT count(*) FROM export_objects WHERE state = 'doomed'";
    eventually("no object is pending deletion", TIMEOUT, async || {
        (fixture.database().value(doomed).await == 0).then_some(())
    })
    .await;
}

/// Makes deletions in the store fail until it is dropped.
enum RefusingDeletion {
    S3 {
        _refusing: Injected,
    },
    /// Moves the file away and puts a non-empty folder in its place.
    File {
        path: PathBuf,
        aside: PathBuf,
    },
}

impl RefusingDeletion {
    async fn of(fixture: &Fixture, id: ExportId) -> Self {
        let Some(folder) = fixture.store_folder() else {
            let deletes = |kind| matches!(kind, Kind::Delete | Kind::AbortUpload);
            let refusing = fixture
                .s3()
                .inject(move |seen| deletes(seen.kind), Fault::Answer(403));
            return Self::S3 {
                _refusing: refusing,
            };
        };
        let path = folder.join(fixture.object_key_of(id).await);
        let aside = path.with_extension("aside");
        std::fs::rename(&path, &aside).expect("the file is moved away");
        std::fs::create_dir_all(path.join("in the way")).expect("a blocking folder");
        Self::File { path, aside }
    }
}

impl Drop for RefusingDeletion {
    fn drop(&mut self) {
        if let Self::File { path, aside } = self {
            std::fs::remove_dir_all(&*path).expect("the blocking folder");
            std::fs::rename(aside, path).expect("the file is moved back");
        }
    }
}
