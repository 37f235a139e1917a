//! Writes to the database without which the upload cannot continue.

use std::time::Duration;

use exports_database::{Error, Leased};
use exports_domain::error_line;

use crate::context::jittered;
use crate::job::{AttemptError, JobError};

/// The pause before the next try.
const RETRY: Duration = Duration::from_secs(1);

/// Repeats the write while the database is unavailable. The attempt stops when its lease expires.
pub(super) async fn record<F>(what: &'static str, write: impl Fn() -> F) -> Result<(), AttemptError>
where
    F: Future<Output = Result<Leased, Error>>,
{
    loop {
        match write().await {
            Ok(Leased::Held(())) => return Ok(()),
            Ok(Leased::Lost) => return Err(AttemptError::LeaseLost),
            Err(error) if error.is_transient() => {
                tracing::warn!(
                    error = error_line(&error),
                    "the {what} could not be recorded and is retried"
                );
                tokio::time::sleep(jittered(RETRY)).await;
            }
            Err(error) => return Err(JobError::internal(&error).into()),
        }
    }
}
