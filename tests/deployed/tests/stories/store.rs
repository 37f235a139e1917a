//! The store is unavailable, full, overloaded, or refuses the key.

use exports_deployed::{Plan, outbound, story};
use exports_tests::s3::{Fault, Kind};

use crate::with_short_leases;

/// The error of the last attempt, for operators.
const REASON: &str = "SELECT coalesce(attempt_error, '') FROM exports";

#[test]
fn a_store_restart_during_an_upload_is_retried_within_the_attempt() {
    story(with_short_leases(), async |it| {
        it.insert_large_messages(120).await;
        let (_, source) = it.add_worker_that_gets_stuck().await;
        let id = it.create_export(outbound()).await;
        it.is_in_the_middle_of_its_file(&id, &source).await;

        it.garage().stop().await;
        source.restore();
        it.garage().start_again().await;

        let export = it.file_is_right(&id).await;
        assert_eq!(
            export["attempt"], 1,
            "the upload is retried within the attempt"
        );
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_full_store_delays_the_export_until_space_is_free() {
    story(Plan::default(), async |it| {
        it.insert_large_messages(120).await;
        it.garage().limit_size(Some(1 << 20)).await;

        let id = it.create_export(outbound()).await;
        let failed = format!("{REASON} WHERE id = '{id}' AND status = 'pending'");
        let failed = format!("SELECT coalesce(({failed}), '') <> ''");
        it.postgres.wait_for(&failed, true).await;
        it.garage().limit_size(None).await;

        let export = it.file_is_right(&id).await;
        assert!(export["attempt"].as_u64() >= Some(2), "{export:#}");
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_store_without_disk_space_fails_the_export() {
    let plan = Plan::default()
        .store_disk(16 << 20)
        .worker_env("EXPORTS_MAX_ATTEMPTS", "1");
    story(plan, async |it| {
        it.insert_large_messages(400).await;

        let id = it.create_export(outbound()).await;
        let export = it.wait_until(&id, "failed").await;

        assert_eq!(export["error_code"], "STORAGE_UNAVAILABLE");
        it.nothing_is_left_over().await;
    });
}

#[test]
fn temporary_store_errors_are_retried_within_the_attempt() {
    story(Plan::default().store_with_faults(), async |it| {
        it.insert_large_messages(120).await;
        let troubles = [
            (Kind::CreateUpload, 503),
            (Kind::PutPart, 500),
            (Kind::PutPart, 503),
            (Kind::PutPart, 429),
            (Kind::CompleteUpload, 503),
        ];
        for (kind, status) in troubles {
            let store = it.faulty_store();
            let trouble = store.inject(move |seen| seen.kind == kind, Fault::Answer(status));
            let id = it.create_export(outbound()).await;
            trouble.reached(2).await;
            drop(trouble);

            let export = it.file_is_right(&id).await;
            assert_eq!(export["attempt"], 1, "{kind:?} {status}");
        }
        it.nothing_is_left_over().await;
    });
}

#[test]
fn rejected_credentials_fail_the_export_without_leaking_secrets() {
    let plan = Plan::default().worker_env("EXPORTS_MAX_ATTEMPTS", "2");
    story(plan, async |it| {
        it.insert_messages(10).await;
        it.garage().refuse_the_key().await;

        let id = it.create_export(outbound()).await;
        let export = it.wait_until(&id, "failed").await;

        assert_eq!(export["error_code"], "STORAGE_UNAVAILABLE");
        let reason = it.postgres.value(REASON).await.to_string();
        assert!(
            reason.len() > 10,
            "the reason is stored for operators: {reason}"
        );
        let told = format!("{export} {reason} {}", it.workers[0].log().await);
        for secret in it.secrets() {
            assert!(!told.contains(&secret), "{told}");
        }
        it.garage().accept_the_key().await;
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_wrong_store_secret_stops_a_worker_and_is_not_logged() {
    story(Plan::without_workers(), async |it| {
        const WRONG: &str = "nobody-may-read-this-secret-key";
        let worker = it.start_worker(&[("AWS_SECRET_ACCESS_KEY", WRONG)]).await;

        assert_ne!(worker.ended().await, 0);
        let log = worker.log().await;
        // Garage answers a wrong secret like a missing right, so the line names both causes.
        let line = "error: AWS_ACCESS_KEY_ID: the store denies access";
        assert!(
            log.contains(line) && log.contains("wrong secret key"),
            "{log}"
        );
        assert!(!log.contains(WRONG), "{log}");
        worker.remove().await;
    });
}
