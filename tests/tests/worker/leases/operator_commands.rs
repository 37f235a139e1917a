//! An operator takes an export from its worker.

use exports_database::Overridden;
use exports_domain::{Failure, FailureCode};
use exports_tests::{TIMEOUT, eventually};

use crate::rows::put_large;
use crate::support::on_every_store;

const LEASE: (&str, &str) = ("EXPORTS_LEASE", "2s");
const LOST: &str = "the lease was lost, the work stops";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_requeued_during_its_upload_restarts_with_a_correct_file() {
    on_every_store(async |fixture| {
        let (mut held, source) = fixture.worker_that_gets_stuck(&[LEASE]).await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;
        eventually("the heartbeat reports the progress", TIMEOUT, async || {
            let bytes = fixture
                .database()
                .export_column(id.0, "progress_bytes")
                .await;
            (bytes.as_u64() > Some(8 << 20)).then_some(())
        })
        .await;
        let holder = fixture.database().export_column(id.0, "lease_owner").await;

        let answer = fixture
            .database()
            .storage()
            .force_requeue(id)
            .await
            .unwrap();
        let holder = holder.as_str().map(str::to_owned);
        assert_eq!(answer, Overridden::Done { holder });
        held.wait_for_event(LOST).await;
        source.restore();

        assert!(fixture.read_file(id).await == expected);
        assert_eq!(
            fixture.export(id).await.attempt,
            1,
            "the attempts are reset"
        );
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_failed_by_an_operator_leaves_nothing_in_the_store() {
    on_every_store(async |fixture| {
        let (mut held, _source) = fixture.worker_that_gets_stuck(&[LEASE]).await;
        put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;

        let failure = Failure {
            code: FailureCode::EndedByOperator,
            message: "Please choose a shorter time range.".to_owned(),
        };
        let answer = fixture.database().storage().force_fail(id, &failure).await;
        assert!(matches!(answer, Ok(Overridden::Done { holder: Some(_) })));
        held.wait_for_event(LOST).await;

        assert_eq!(fixture.wait_until_failed(id).await, failure);
        fixture.wait_for_empty_store().await;
    })
    .await;
}
