//! An operator takes an export from the worker that holds it.

use exports_database::Overridden;
use exports_domain::{Failure, FailureCode};
use exports_tests::{TIMEOUT, eventually};

use crate::rows::put_large;
use crate::workshop::on_every_store;

const LEASE: (&str, &str) = ("EXPORTS_LEASE", "2s");
const LOST: &str = "the lease was lost, the work stops";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_requeued_mid_file_is_begun_again_and_its_file_is_right() {
    on_every_store(async |shop| {
        let (mut held, source) = shop.worker_that_gets_stuck(&[LEASE]).await;
        let expected = put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;
        eventually("the heartbeat tells how far it is", TIMEOUT, async || {
            let bytes = shop.database.export_column(id.0, "progress_bytes").await;
            (bytes.as_u64() > Some(8 << 20)).then_some(())
        })
        .await;
        let holder = shop.database.export_column(id.0, "lease_owner").await;

        let answer = shop.database.storage().force_requeue(id).await.unwrap();
        let holder = holder.as_str().map(str::to_owned);
        assert_eq!(answer, Overridden::Done { holder });
        held.wait_for_event(LOST).await;
        source.restore();

        assert!(shop.file(id).await == expected);
        assert_eq!(shop.export(id).await.attempt, 1, "a fresh budget");
        shop.holds_only(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_ended_mid_file_leaves_nothing_in_the_store() {
    on_every_store(async |shop| {
        let (mut held, _source) = shop.worker_that_gets_stuck(&[LEASE]).await;
        put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;

        let failure = Failure {
            code: FailureCode::EndedByOperator,
            message: "Please choose a shorter time range.".to_owned(),
        };
        let answer = shop.database.storage().force_fail(id, &failure).await;
        assert!(matches!(answer, Ok(Overridden::Done { holder: Some(_) })));
        held.wait_for_event(LOST).await;

        assert_eq!(shop.failed(id).await, failure);
        shop.holds_nothing().await;
    })
    .await;
}
