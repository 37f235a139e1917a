//! The background task of the hub: it listens for changes, and reads for all waiters what has changed.
//!
//! While nobody waits it does nothing and has no connection.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_database::Error;
use exports_domain::error_line;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::hub::Hub;

/// The most exports of one statement. So many that ten thousand waiters need no more statements than one: the
/// statement takes some ten milliseconds every few seconds, and the rows a few megabytes for that time.
const MAX_READ: usize = 16_384;
/// New keys are checked this often.
const TICK: Duration = Duration::from_secs(1);
/// Everything that anybody waits for is read again after so many ticks, and all keys are checked. So a lost
/// notification and a revoked key are found within 5 s.
const FULL: u32 = 4;
/// How long the connection stays open after the last waiter.
const KEPT: Duration = Duration::from_secs(30);
/// The pause after a failed read or a lost connection. With jitter.
const PAUSE: Duration = Duration::from_millis(500);
/// Exports that were created in this time before a full read are a part of it, whatever the clocks of this machine and
/// of the database differ.
const RECENT: Duration = Duration::from_mins(1);
/// The limit for the statements of a tick, so that one without an answer does not stop the others.
const TICK_LIMIT: Duration = Duration::from_secs(3);

impl Hub {
    /// Runs until it is dropped. When the process stops, it only reads what the last requests need for their answers.
    pub(crate) async fn run(self: Arc<Self>, now: impl Fn() -> DateTime<Utc>) {
        let until_stop = async {
            tokio::select! {
                () = self.stopping() => {}
                () = self.listen_forever() => {}
                () = self.tick_forever(now) => {}
            }
        };
        tokio::join!(until_stop, self.read_forever());
    }

    async fn listen_forever(&self) {
        let mut is_used = self.is_used.subscribe();
        loop {
            // The sender lives as long as `self`.
            is_used.wait_for(|is_used| *is_used).await.ok();
            if let Err(error) = self.listen().await {
                tracing::debug!(
                    error = error_line(&error),
                    "the listener for changes failed, exports are read again every few seconds"
                );
                sleep(jittered(PAUSE)).await;
            }
        }
    }

    /// Listens until nobody has waited for a while.
    async fn listen(&self) -> Result<(), Error> {
        let mut listener = self.database.listen_for_changes().await?;
        // What has changed before is not announced to this connection.
        self.mark_all(Vec::new());
        let mut unused_since = None;
        loop {
            match timeout(KEPT / 10, listener.changed()).await {
                Ok(changes) => self.changed(changes?),
                Err(_) if *self.is_used.borrow() => unused_since = None,
                Err(_) => {
                    let since = *unused_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= KEPT {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One statement at a time: what comes meanwhile is in the next one, and no state overtakes another.
    async fn read_forever(&self) {
        loop {
            let Some(read) = self.next_read(MAX_READ) else {
                self.dirty.notified().await;
                continue;
            };
            let ids: Vec<_> = read.exports.keys().copied().collect();
            match self.database.get_exports(&ids).await {
                Ok(exports) => self.publish(read, &exports),
                Err(error) => {
                    tracing::debug!(
                        error = error_line(&error),
                        "a read for waiting requests failed"
                    );
                    self.failed(read, error);
                    sleep(jittered(PAUSE)).await;
                }
            }
        }
    }

    async fn tick_forever(&self, now: impl Fn() -> DateTime<Utc>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_used = self.is_used.subscribe();
        let mut count = 0;
        loop {
            is_used.wait_for(|is_used| *is_used).await.ok();
            ticks.tick().await;
            count += 1;
            let is_full = count >= FULL;
            let ticked = timeout(TICK_LIMIT, self.tick(is_full, &now)).await;
            match ticked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(
                        error = error_line(&error),
                        "waiting requests could not be checked"
                    );
                }
                Err(_) => tracing::debug!("waiting requests could not be checked in time"),
            }
            if is_full {
                count = 0;
            }
        }
    }

    async fn tick(&self, is_full: bool, now: &impl Fn() -> DateTime<Utc>) -> Result<(), Error> {
        if is_full {
            self.mark_all(Vec::new());
        }
        let (keys, has_new) = self.keys();
        if is_full && !keys.is_empty() || has_new {
            let valid = self.database.valid_keys(&keys).await?;
            self.checked(&keys, &valid);
        }
        let projects = self.projects();
        if is_full && !projects.is_empty() {
            let recent = self
                .database
                .recent_exports(&projects, now() - RECENT)
                .await?;
            self.mark_all(recent);
        }
        Ok(())
    }
}

/// The pause with up to 25 % of jitter, so that processes do not act together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}
