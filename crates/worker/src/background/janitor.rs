//! Ends what nobody ends: files whose time is over, attempts that ended without a word, objects
//! that nothing refers to. Every worker has one; they do not tread on each other.

use std::time::{Duration, Instant};

use exports_database::{Error, PendingDeletion};
use exports_domain::error_line;
use exports_domain::{Failure, FailureCode};
use tokio_util::sync::CancellationToken;

use crate::background::queue_hints::Memory;
use crate::context::{Context, jittered};
use crate::metrics::{Cause, SweepResult};

/// How often to sweep.
const PERIOD: Duration = Duration::from_secs(5);
/// How much to take up at a time.
const BATCH: u16 = 100;
/// When a lost attempt's object is deleted for the second time: its worker may have been stopped
/// in the middle of a request, and may go on with it.
const SECOND_SWEEP: Duration = Duration::from_hours(1);
/// Idempotency keys are good for a day; clearing them is in no hurry.
const KEYS_PERIOD: Duration = Duration::from_mins(1);
/// Old records are in no hurry either.
const RECORDS_PERIOD: Duration = Duration::from_mins(1);

/// When what is in no hurry was done.
#[derive(Default)]
struct LatestRuns {
    keys: Option<Instant>,
    records: Option<Instant>,
}

/// Sweeps until `stop`.
pub(crate) async fn run(context: Context, memory: Memory, stop: CancellationToken) {
    let mut done = LatestRuns::default();
    loop {
        let Some(()) = stop
            .run_until_cancelled(tokio::time::sleep(jittered(PERIOD)))
            .await
        else {
            return;
        };
        let swept = stop.run_until_cancelled(sweep(&context, &memory, &mut done));
        let sweeps = &context.metrics.janitor.sweeps;
        match swept.await {
            Some(Ok(())) => sweeps.inc(SweepResult::Ok),
            Some(Err(error)) => {
                sweeps.inc(SweepResult::Failed);
                tracing::warn!(error = error_line(&error), "a sweep broke off");
            }
            // The worker stops.
            None => {}
        }
    }
}

async fn sweep(context: &Context, memory: &Memory, done: &mut LatestRuns) -> Result<(), Error> {
    expire(context).await?;
    // Its search is a long one beside a long export, and nearly always for nothing.
    let lease_ended = memory.borrow().has_expired_lease();
    if lease_ended {
        fail_exhausted(context).await?;
    }
    delete_doomed(context).await?;
    if done.keys.is_none_or(|at| at.elapsed() >= KEYS_PERIOD) {
        context.database.clear_stale_idempotency_keys(BATCH).await?;
        done.keys = Some(Instant::now());
    }
    if done.records.is_none_or(|at| at.elapsed() >= RECORDS_PERIOD) {
        prune_records(context).await?;
        done.records = Some(Instant::now());
    }
    Ok(())
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
        tracing::info!(records = pruned, "old records of exports were deleted");
    }
    Ok(())
}

async fn expire(context: &Context) -> Result<(), Error> {
    loop {
        let expired = context.database.expire_due(BATCH).await?;
        context.metrics.janitor.expired.inc_by(expired.len() as u64);
        for id in &expired {
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
        message: "The export was tried as often as it may and was never finished. Please create \
                  it again; if that fails too, contact support with this export's id."
            .to_owned(),
    };
    let failed = context
        .database
        .fail_exhausted(max_attempts, &failure, BATCH)
        .await?;
    let metrics = &context.metrics;
    metrics.janitor.exhausted.inc_by(failed.len() as u64);
    metrics
        .failures
        .inc_by(Cause(failure.code), failed.len() as u64);
    for id in failed {
        tracing::error!(export.id = %id, "the export failed: its last worker stopped without a word");
    }
    Ok(())
}

async fn delete_doomed(context: &Context) -> Result<(), Error> {
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

/// An object that cannot be deleted now is taken up again a minute later.
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
            tracing::debug!(object.key, "object deleted");
            context
                .database
                .object_deleted(&object.key, SECOND_SWEEP)
                .await
        }
        Err(error) => {
            context.metrics.janitor.deletions_failed.inc();
            tracing::warn!(
                object.key,
                error = error_line(&error),
                "an object could not be deleted"
            );
            Ok(())
        }
    }
}
