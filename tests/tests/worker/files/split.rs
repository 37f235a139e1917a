//! Exports that are split into several files.

use std::time::Duration;

use exports_database::{Deleted, file_key};
use exports_domain::{
    Compression, Direction, ExportId, FailureCode, FileFormat, FileOptions, GivenOptions,
};
use exports_tests::StoreKind;

use super::parsed::{self, Table};
use crate::rows::put_many;
use crate::support::{Fixture, everything, number, on_every_store};

const MAX_ROWS: u64 = 1_000;

fn split(format: FileFormat, compression: Compression) -> FileOptions {
    let given = GivenOptions {
        format: Some(format),
        compression: Some(compression),
        max_rows_per_file: Some(MAX_ROWS.try_into().expect("it is in range")),
        ..GivenOptions::default()
    };
    FileOptions::new(given).expect("options that fit together")
}

async fn queue(fixture: &Fixture, options: &FileOptions) -> ExportId {
    let filter = everything(Direction::Outbound);
    fixture.queue_export_as(filter, options.clone()).await
}

fn table(file: &[u8], options: &FileOptions) -> Table {
    parsed::table(file, options, Direction::Outbound)
}

/// Each file is whole in itself, and one after another they hold what the single file would.
async fn assert_split(fixture: &Fixture, options: &FileOptions, row_counts: &[u64]) {
    let id = queue(fixture, options).await;
    let files = fixture.read_split(id).await;
    let counted = fixture
        .wait_until_completed(id)
        .await
        .files
        .expect("it is split");
    let counted: Vec<_> = counted.iter().map(|file| file.row_count).collect();
    assert_eq!(counted, row_counts, "{options:?}");
    let tables: Vec<_> = files.iter().map(|file| table(file, options)).collect();
    let found: Vec<_> = tables.iter().map(|table| table.rows.len() as u64).collect();
    assert_eq!(found, row_counts, "{options:?}");
    let single = FileOptions::new(GivenOptions {
        max_rows_per_file: None,
        ..options.given().clone()
    });
    let single = single.expect("options that fit together");
    let single_id = queue(fixture, &single).await;
    let single = table(&fixture.read_stored(single_id).await, &single);
    for table in &tables {
        assert_eq!(table.columns, single.columns);
    }
    let rows: Vec<_> = tables.into_iter().flat_map(|table| table.rows).collect();
    assert!(
        rows == single.rows,
        "{options:?}: other rows than in the single file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_split_export_hold_what_the_single_file_would() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let _worker = fixture.start_worker(&[("EXPORTS_READERS", "3")]);
    let csv = split(FileFormat::Csv, Compression::None);
    assert_split(&fixture, &csv, &[0]).await;
    put_many(&fixture, 1_000).await;
    assert_split(&fixture, &csv, &[1_000]).await;
    put_many(&fixture, 1_000).await;
    assert_split(&fixture, &csv, &[1_000, 1_000]).await;
    put_many(&fixture, 1).await;
    for &format in FileFormat::ALL {
        for &compression in Compression::all_of(format) {
            assert_split(&fixture, &split(format, compression), &[1_000, 1_000, 1]).await;
        }
    }
    // Several readers would read it, if it were one file.
    put_many(&fixture, 60_500).await;
    let counts = [vec![1_000; 62], vec![501]].concat();
    assert_split(&fixture, &csv, &counts).await;
    assert_split(
        &fixture,
        &split(FileFormat::Csv, Compression::Gzip),
        &counts,
    )
    .await;
    assert_split(
        &fixture,
        &split(FileFormat::Parquet, Compression::Zstd),
        &counts,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_split_export_expire_and_are_deleted_together() {
    on_every_store(async |fixture| {
        let _worker = fixture.janitors(&[]).await;
        put_many(fixture, 2_500).await;
        let options = split(FileFormat::Csv, Compression::Gzip);
        let (expired, kept) = (
            queue(fixture, &options).await,
            queue(fixture, &options).await,
        );
        assert_eq!(fixture.read_split(expired).await.len(), 3);
        assert_eq!(fixture.read_split(kept).await.len(), 3);
        fixture.wait_for_files_of(&[expired, kept]).await;
        let key = fixture.object_key_of(expired).await;
        let late = fixture.storage().expire_file(expired, &key).await;
        assert!(late.expect("the database answers"));
        fixture.wait_for_column(expired, "status", "expired").await;
        fixture.wait_for_files_of(&[kept]).await;
        let deleted = fixture
            .storage()
            .delete_export(fixture.project_id(), kept)
            .await;
        let Deleted::Gone { mut object_keys } = deleted.expect("the database answers") else {
            panic!("it was completed")
        };
        object_keys.sort();
        let first = object_keys
            .iter()
            .min_by_key(|key| key.len())
            .expect("keys")
            .clone();
        let mut expected: Vec<_> = (1..=3).map(|number| file_key(&first, number)).collect();
        expected.sort();
        assert_eq!(object_keys, expected);
        fixture.wait_for_sweep().await;
        fixture.wait_for_empty_store().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_with_too_many_files_fails_and_leaves_nothing() {
    on_every_store(async |fixture| {
        let _worker = fixture.start_worker(&[]);
        put_many(fixture, 1_000_001).await;
        let id = queue(fixture, &split(FileFormat::Csv, Compression::None)).await;
        let failure = fixture.wait_until_failed(id).await;
        assert_eq!(failure.code, FailureCode::FileTooLarge);
        assert_eq!(
            failure.message,
            "The export would have more than 1000 files of 1000 rows. Please choose a larger max_rows_per_file, \
             a shorter time range or a filter."
        );
        fixture.wait_for_empty_store().await;
    })
    .await;
}

/// `TEST_SPLIT_ROUNDS` sets how many workers are killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_export_of_killed_workers_has_all_its_files_or_none() {
    let rounds = number("TEST_SPLIT_ROUNDS", 8);
    on_every_store(async |fixture| {
        let lease = ("EXPORTS_LEASE", "2s");
        let attempts = ("EXPORTS_MAX_ATTEMPTS", "100");
        put_many(fixture, 40_000).await;
        let options = split(FileFormat::Csv, Compression::Gzip);
        let mut ids = Vec::new();
        let mut unfinished = 0;
        for round in 1..=rounds {
            let mut worker = fixture.start_worker(&[lease, attempts]);
            worker.wait_for_event("worker started").await;
            ids.push(queue(fixture, &options).await);
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..1_500))).await;
            worker.kill().await;
            let running = "SELECT count(*) FROM exports WHERE status = 'processing'";
            unfinished += fixture
                .database()
                .value(running)
                .await
                .as_u64()
                .expect("a count");
            // An export that loses many workers waits longer each time.
            if round % 8 == 0 || round == rounds {
                let _janitor = fixture.janitors(&[lease, attempts]).await;
                for id in &ids {
                    assert_eq!(fixture.read_split(*id).await.len(), 40);
                }
                fixture.wait_for_sweep().await;
                fixture.wait_for_files_of(&ids).await;
                for id in ids.drain(..) {
                    let deleted = fixture.storage().delete_export(fixture.project_id(), id);
                    assert!(matches!(deleted.await, Ok(Deleted::Gone { .. })));
                }
                fixture.wait_for_sweep().await;
                fixture.wait_for_empty_store().await;
            }
        }
        let others = "SELECT count(*) FROM export_objects WHERE state = 'writing' OR files > 1";
        assert_eq!(fixture.database().value(others).await, 0);
        println!("{unfinished} attempts of killed workers were under way");
    })
    .await;
}
