//! Whether a service is ready: its database answers, has the schema of this version, and gives the program
//! its rights.

use std::sync::Arc;
use std::time::Duration;

use exports_database::{Error, MigrationState, MissingRights};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::outage::Outage;
use crate::rights::{Rights, is_forbidden};

/// Shorter than the usual timeout of a probe.
pub const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the result of a check is used.
const MAX_AGE: Duration = Duration::from_secs(1);
/// The limit for the rights in a source of its own. If it does not answer, the service is ready: the answers of
/// requests and the attempts of exports show that.
const SOURCE_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a service is not ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unready {
    /// The schema is not that of this version.
    #[error(transparent)]
    Schema(MigrationState),
    /// A role lacks rights.
    #[error(transparent)]
    Rights(MissingRights),
    /// The check failed.
    #[error(transparent)]
    Failed(Arc<Error>),
    /// The check took too long.
    #[error("the database did not answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
}

/// The result of the last check. Anybody may ask, so however often that happens, the database is queried at most
/// once per second, and by one caller at a time.
#[derive(Debug)]
pub struct Readiness {
    rights: Rights,
    last: Mutex<Option<(Instant, Result<(), Unready>)>>,
    outage: Outage,
}

impl Readiness {
    /// Checks with these roles.
    #[must_use]
    pub fn new(rights: Rights) -> Self {
        Self {
            rights,
            last: Mutex::default(),
            outage: Outage::of_activity("the check of the rights in the database"),
        }
    }

    /// The result of a check that is at most a second old.
    pub async fn check(&self) -> Result<(), Unready> {
        let mut last = self.last.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < MAX_AGE
        {
            return outcome.clone();
        }
        let outcome = match timeout(TIMEOUT, self.ask()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unready::TimedOut),
        };
        self.log(&outcome);
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    /// Asks each time, because the address may lead to another database since the start.
    async fn ask(&self) -> Result<(), Unready> {
        let failed = |error| Unready::Failed(Arc::new(error));
        match self.rights.database().migration_state().await {
            Ok(MigrationState::Current) => {}
            Ok(state) => return Err(Unready::Schema(state)),
            // It may not even read the state of the schema.
            Err(error) if is_forbidden(&error) => {
                return Err(match self.rights.missing().await.map_err(failed)? {
                    Some(missing) => Unready::Rights(missing),
                    None => failed(error),
                });
            }
            Err(error) => return Err(failed(error)),
        }
        let source = timeout(SOURCE_TIMEOUT, self.rights.missing_of_source());
        let (own, source) = tokio::join!(self.rights.missing(), source);
        let source = source.ok().and_then(Result::ok).flatten();
        match own.map_err(failed)?.or(source) {
            Some(missing) => Err(Unready::Rights(missing)),
            None => Ok(()),
        }
    }

    /// Only missing rights: the log says elsewhere that the database is unavailable.
    fn log(&self, outcome: &Result<(), Unready>) {
        match outcome {
            Ok(()) => self.outage.succeeded(),
            Err(Unready::Rights(missing)) => self.outage.failed(missing),
            Err(Unready::Schema(_) | Unready::Failed(_) | Unready::TimedOut) => {}
        }
    }
}
