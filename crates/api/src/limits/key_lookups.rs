//! Database queries for API keys that are not in the cache, so that a flood of wrong keys does not slow down valid ones.
//!
//! - **Refused keys are remembered** for [`REFUSED_FOR`]: in this time they never reach the database again. So a key that was
//!   refused just before it was created works after this time at the latest. Any other new key works at once.
//! - **A budget** of queries per second for keys that were never valid. Above it they are refused without a query. Keys that
//!   were valid before do not need it.
//! - **Concurrent queries** for one key are one query.
//!
//! Only hashes of keys are kept.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use exports_database::{Authenticated, Database, Error as DatabaseError};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::bucket::Bucket;
use crate::api_key_cache::KeyHash;
use crate::metrics::{ApiMetrics, KeyLookup, KeyRefusal};

/// How long a refused key is remembered, counted from before the query. A new key must work within five seconds.
const REFUSED_FOR: Duration = Duration::from_secs(3);
/// Queries per second for keys that were never valid.
const BUDGET: u32 = 50;
/// Keys that were valid: about 5 MB. Above it, those that were not used for long need the budget again.
const KNOWN: usize = 50_000;
/// A known key that was not used for this time is forgotten if there are too many.
const KNOWN_FOR: Duration = Duration::from_hours(1);
/// Abandoned queries and outdated refusals are removed when there are this many.
const SWEEP: usize = 1000;

/// A key that the database confirmed.
#[derive(Debug, Clone)]
pub(crate) struct Confirmed {
    pub(crate) authenticated: Authenticated,
    /// The time before the query.
    pub(crate) queried_at: Instant,
}

/// All requests that wait for one query share its error.
type Outcome = Result<Option<Confirmed>, Arc<DatabaseError>>;
type Query = BoxFuture<'static, Outcome>;

/// The queries of this process.
pub(crate) struct KeyLookups {
    budget: Bucket,
    keys: Mutex<Keys>,
    metrics: Arc<ApiMetrics>,
}

#[derive(Default)]
struct Keys {
    /// Until when they are refused.
    refused: HashMap<KeyHash, Instant>,
    /// When they were last confirmed.
    known: HashMap<KeyHash, Instant>,
    /// A query that nobody waits for any more ends, and its entry stays without it.
    running: HashMap<KeyHash, WeakShared<Query>>,
}

impl KeyLookups {
    pub(crate) fn new(metrics: Arc<ApiMetrics>) -> Self {
        let rate = format!("{BUDGET}/s").parse().expect("a valid rate");
        let burst = NonZeroU32::new(BUDGET).expect("the budget is not zero");
        Self {
            budget: Bucket::new(rate, burst),
            keys: Mutex::default(),
            metrics,
        }
    }

    /// Looks up a key in the database, if that is necessary and within the budget. `None`: the key is refused.
    pub(crate) async fn look_up(
        self: &Arc<Self>,
        database: &Database,
        hash: KeyHash,
        key: &str,
    ) -> Outcome {
        let database = database.clone();
        let key = key.to_owned();
        let query = async move { database.authenticate(&key).await };
        self.run(hash, query).await
    }

    async fn run(
        self: &Arc<Self>,
        hash: KeyHash,
        query: impl Future<Output = Result<Option<Authenticated>, DatabaseError>> + Send + 'static,
    ) -> Outcome {
        let running = match self.join(hash, query) {
            Ok(running) => running,
            Err(refusal) => {
                self.metrics.key_refusals.inc(refusal);
                return Ok(None);
            }
        };
        running.await
    }

    /// The running query for this key, or a new one.
    fn join(
        self: &Arc<Self>,
        hash: KeyHash,
        query: impl Future<Output = Result<Option<Authenticated>, DatabaseError>> + Send + 'static,
    ) -> Result<Shared<Query>, KeyRefusal> {
        let now = Instant::now();
        let mut keys = self.lock();
        if keys.refused.get(&hash).is_some_and(|until| now < *until) {
            return Err(KeyRefusal::Remembered);
        }
        if let Some(running) = keys.running.get(&hash).and_then(WeakShared::upgrade) {
            return Ok(running);
        }
        if !keys.known.contains_key(&hash) && self.budget.take().is_err() {
            return Err(KeyRefusal::Budget);
        }
        let shared = Arc::clone(self);
        let query = async move {
            let outcome = query.await;
            shared.finish(hash, now, outcome)
        };
        let running = query.boxed().shared();
        keys.sweep(now);
        if let Some(weak) = running.downgrade() {
            keys.running.insert(hash, weak);
        }
        Ok(running)
    }

    /// Records the result of a query that began at `queried_at`.
    fn finish(
        &self,
        hash: KeyHash,
        queried_at: Instant,
        outcome: Result<Option<Authenticated>, DatabaseError>,
    ) -> Outcome {
        let mut keys = self.lock();
        keys.running.remove(&hash);
        match outcome {
            Ok(Some(authenticated)) => {
                self.metrics.key_lookups.inc(KeyLookup::Confirmed);
                keys.known.insert(hash, queried_at);
                Ok(Some(Confirmed {
                    authenticated,
                    queried_at,
                }))
            }
            Ok(None) => {
                self.metrics.key_lookups.inc(KeyLookup::Unknown);
                keys.known.remove(&hash);
                keys.refused.insert(hash, queried_at + REFUSED_FOR);
                Ok(None)
            }
            Err(error) => {
                self.metrics.key_lookups.inc(KeyLookup::Failed);
                Err(Arc::new(error))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// Keeps the maps small. The budget bounds how fast the first two grow.
    fn sweep(&mut self, now: Instant) {
        if self.running.len() >= SWEEP {
            self.running.retain(|_, query| query.upgrade().is_some());
        }
        if self.refused.len() >= SWEEP {
            self.refused.retain(|_, until| now < *until);
        }
        if self.known.len() >= KNOWN {
            let is_used = |at: &Instant| now.saturating_duration_since(*at) < KNOWN_FOR;
            self.known.retain(|_, at| is_used(at));
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
    }
}

#[cfg(test)]
mod tests;
