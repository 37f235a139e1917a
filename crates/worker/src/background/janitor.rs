//! The janitor: expires files, fails exports without attempts left, deletes objects that are pending
//! deletion, and prunes old records. Every worker runs one; several at the same time do no harm.

use std::time::{Duration, Instant};

use exports_database::{Error, PendingDeletion};
use exports_domain::error_line;
use exports_domain::{Failure, FailureCode};
use tokio_util::sync::CancellationToken;

use crate::background::queue_hints::SharedHints;
use crate::context::{Context, jittered};
use crate::metrics::SweepResult;

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Rows per statement.
const BATCH: u16 = 100;
/// When the object of a lost attempt is deleted again: its worker may have been suspended inside a request,
/// and may complete the request later.
const SECOND_DELETION: Duration = Duration::from_hours(1);
/// How often stale idempotency keys are cleared and old records are pruned. Neither is urgent.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);

/// When the steps that are not urgent last succeeded.
#[derive(Default)]
struct LastRuns {
    idempotency_keys: Option<Instant>,
    records: Option<Instant>,
    progress: Option<Instant>,
}

/// Sweeps until `stop`.
pub(crate) async fn run(context: Context, hints: SharedHints, stop: CancellationToken) {
    let mut last = LastRuns::default();
    loop {
        let pause = tokio::time::sleep(jittered(SWEEP_INTERVAL));
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
        let swept = stop.run_until_cancelled(sweep(&context, &hints, &mut last));
        let sweeps = &context.metrics.janitor.sweeps;
        match swept.await {
            Some(Ok(())) => {
                sweeps.inc(SweepResult::Ok);
                context.outages.sweeps.succeeded();
            }
            Some(Err(error)) => {
                sweeps.inc(SweepResult::Failed);
                if error.is_unavailable() {
                    tracing::debug!(error = error_line(&error), "the sweep failed");
                } else {
                    let reason = context.rights.reason(&error).await;
                    context.outages.sweeps.failed(&reason);
                }
            }
            // The worker stops.
            None => {}
        }
    }
}

async fn sweep(context: &Context, hints: &SharedHints, last: &mut LastRuns) -> Result<(), Error> {
    expire(context).await?;
    // The statement is slow while a long export holds back vacuum, and it seldom finds anything.
    let has_expired_lease = hints.borrow().has_expired_lease();
    if has_expired_lease {
        fail_exhausted(context).await?;
    }
    delete_pending(context).await?;
    if is_due(last.idempotency_keys) {
        context.database.clear_stale_idempotency_keys(BATCH).await?;
        last.idempotency_keys = Some(Instant::now());
    }
    if is_due(last.progress) {
        context.database.remove_stale_progress(BATCH).await?;
        last.progress = Some(Instant::now());
    }
    if is_due(last.records) {
        prune_records(context).await?;
        last.records = Some(Instant::now());
    }
    Ok(())
}

fn is_due(last: Option<Instant>) -> bool {
    last.is_none_or(|at| at.elapsed() >= PRUNE_INTERVAL)
}

async fn prune_records(context: &Context) -> Result<(), Error> {
    let mut pruned = 0;
    loop {
        let batch = context
            .database
            .prune_records(context.settings.record_ttl, BATCH)
            .await?;
        context.metrics.janitor.records_pruned.inc_by(batch);
        pruned += batch;
        if batch < u64::from(BATCH) {
            break;
        }
    }
    if pruned > 0 {
        tracing::info!(records = pruned, "old export records deleted");
    }
    prune_deliveries(context).await
}

async fn prune_deliveries(context: &Context) -> Result<(), Error> {
    let (database, age) = (&context.database, context.settings.record_ttl);
    while database.prune_deliveries(age, BATCH).await? >= u64::from(BATCH) {}
    Ok(())
}

async fn expire(context: &Context) -> Result<(), Error> {
    loop {
        let expired = context.database.expire_due(BATCH).await?;
        context.metrics.janitor.expired.inc_by(expired.len() as u64);
        for id in &expired {
            context.changes.announce_id(*id);
            tracing::info!(export.id = %id, "export expired");
        }
        if expired.len() < usize::from(BATCH) {
            return Ok(());
        }
    }
}

async fn fail_exhausted(context: &Context) -> Result<(), Error> {
    let max_attempts = context.settings.max_attempts;
    let failure = Failure {
        code: FailureCode::AttemptsExhausted,
        message:
            "The export was not finished within the maximum number of attempts. Please create it \
                  again. If that fails too, contact support with the id of this export."
                .to_owned(),
    };
    let failed = context
        .database
        .fail_exhausted(max_attempts, &failure, BATCH)
        .await?;
    let count = failed.len() as u64;
    context.metrics.janitor.exhausted.inc_by(count);
    context.metrics.failures.inc_by(failure.code, count);
    for id in failed {
        context.changes.announce_id(id);
        tracing::error!(
            export.id = %id,
            "the export failed: its lease expired and no attempts are left"
        );
    }
    Ok(())
}

async fn delete_pending(context: &Context) -> Result<(), Error> {
    loop {
        let objects = context.database.take_pending_deletions(BATCH).await?;
        for object in &objects {
            delete(context, object).await?;
        }
        if objects.len() < usize::from(BATCH) {
            return Ok(());
        }
    }
}

/// Deletes an object. If that fails, it is due again a minute later.
async fn delete(context: &Context, object: &PendingDeletion) -> Result<(), Error> {
    let deleted = async {
        context
            .store
            .abort_upload(&object.key, object.upload_id.as_deref())
            .await?;
        context.store.delete(&object.key).await
    };
    match deleted.await {
        Ok(()) => {
            context.metrics.janitor.objects_deleted.inc();
            context.outages.store.succeeded();
            tracing::debug!(object.key, "object deleted");
            context
                .database
                .object_deleted(&object.key, SECOND_DELETION)
                .await
        }
        Err(error) => {
            context.metrics.janitor.deletions_failed.inc();
            let error = error_line(&error);
            tracing::debug!(object.key, error, "an object could not be deleted");
            context.outages.store.failed(&error);
            Ok(())
        }
    }
}
