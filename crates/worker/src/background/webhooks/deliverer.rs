//! Claims deliveries that are due, and runs each in its own task.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exports_database::{
    ClaimedDelivery, DeliveryClaims, DeliveryRequest, Error, FailedDelivery, Leased, WebhookUse,
};
use exports_domain::{
    DeliveryId, LeaseToken, WebhookEvent, WebhookId, error_line, pause_after_delivery,
};
use exports_service::traces::Kind;
use exports_service::webhooks::WebhookNetworks;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connector::Clients;
use super::send::{Sent, send};
use crate::context::{Context, jittered};
use crate::metrics::DeliveryOutcome;

/// Deliveries at a time.
const CONCURRENCY: u16 = 64;
/// Of those, deliveries to webhooks whose latest attempt failed: receivers that hang cannot take all places.
const FAILING_CONCURRENCY: u16 = 32;
/// Deliveries at a time to one webhook. To a failing one: 1.
const PER_WEBHOOK: u16 = 4;
/// Twice the timeout of an attempt, so that the result is recorded before it ends.
const LEASE: Duration = Duration::from_secs(30);
/// Notifications wake the deliverer at once; this finds what they have missed.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Notifications that arrive within this time are answered by one claim.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const ERROR_PAUSE: Duration = Duration::from_secs(2);
/// After this time with nothing but failures a webhook is disabled.
const MAX_FAILING: Duration = Duration::from_hours(5 * 24);

/// Delivers webhooks until it is stopped. Clones share everything.
#[derive(Clone)]
pub(crate) struct Deliverer {
    context: Context,
    clients: Clients,
    networks: WebhookNetworks,
    /// A delivery may be due, or one has ended.
    wakeup: Arc<Notify>,
    running: Arc<Mutex<HashMap<WebhookId, Running>>>,
    tasks: TaskTracker,
}

/// The running deliveries of a webhook.
#[derive(Debug, Clone, Copy, Default)]
struct Running {
    deliveries: u16,
    failing: u16,
}

impl Deliverer {
    pub(crate) fn new(
        context: Context,
        clients: Clients,
        networks: WebhookNetworks,
        wakeup: Arc<Notify>,
    ) -> Self {
        Self {
            context,
            clients,
            networks,
            wakeup,
            running: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Claims until `stop`, then waits for running deliveries. `shutdown` releases them.
    pub(crate) async fn run(self, stop: CancellationToken, shutdown: CancellationToken) {
        stop.run_until_cancelled(self.claim_forever(&shutdown))
            .await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn claim_forever(&self, shutdown: &CancellationToken) {
        loop {
            // In one task: cancelling this loop between a claim and the start of its deliveries would leave
            // them claimed until their leases end.
            let claim = self.clone().claim_and_start(shutdown.clone());
            let pause = self.tasks.spawn(claim).await.unwrap_or(ERROR_PAUSE);
            tokio::time::sleep(MIN_PAUSE).await;
            tokio::select! {
                () = self.wakeup.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Returns the time until the next claim.
    async fn claim_and_start(self, shutdown: CancellationToken) -> Duration {
        let used = self.in_use();
        let total: u16 = used.iter().map(|it| it.running).sum();
        let limit = CONCURRENCY.saturating_sub(total);
        if limit == 0 {
            // The next delivery that ends wakes the loop.
            return POLL_INTERVAL;
        }
        let request = DeliveryRequest {
            limit,
            limit_failing: FAILING_CONCURRENCY.saturating_sub(self.failing()),
            per_webhook: PER_WEBHOOK,
            running: &used,
            lease: LEASE,
        };
        let claims = match self.context.database.claim_deliveries(&request).await {
            Ok(claims) => claims,
            Err(error) => {
                self.claim_failed(&error).await;
                return ERROR_PAUSE;
            }
        };
        self.context.outages.webhooks.succeeded();
        self.start(claims, &shutdown)
    }

    fn start(&self, claims: DeliveryClaims, shutdown: &CancellationToken) -> Duration {
        for claimed in claims.claimed {
            match claimed {
                Ok(delivery) => {
                    let place = Place::take(self, &delivery);
                    let (deliverer, shutdown) = (self.clone(), shutdown.clone());
                    self.tasks.spawn(async move {
                        deliverer.run_one(&delivery, &shutdown).await;
                        drop(place);
                    });
                }
                Err((id, token, error)) => {
                    let deliverer = self.clone();
                    self.tasks
                        .spawn(async move { deliverer.undecodable(id, token, &error).await });
                }
            }
        }
        let poll = jittered(POLL_INTERVAL);
        claims.next_due.map_or(poll, |due| due.min(poll))
    }

    async fn claim_failed(&self, error: &Error) {
        if error.is_unavailable() {
            tracing::debug!(
                error = error_line(error),
                "the claim of webhook deliveries failed"
            );
        } else {
            let reason = self.context.rights.reason(error).await;
            self.context.outages.webhooks.failed(&reason);
        }
    }

    async fn run_one(&self, delivery: &ClaimedDelivery, shutdown: &CancellationToken) {
        let is_test = delivery.event == WebhookEvent::Test;
        if !delivery.is_enabled && !is_test {
            let dropped = failed("the webhook is disabled", None, None);
            self.record_failure(delivery, &dropped, DeliveryOutcome::Dropped)
                .await;
            return;
        }
        let tracer = &self.context.tracer;
        let mut span = tracer.span("webhook", Kind::Client, delivery.traceparent);
        span.set_text("webhook.id", || delivery.webhook.to_string());
        span.set("webhook.event", delivery.event.as_str());
        span.set("webhook.attempt", i64::from(delivery.attempt));
        let sent = send(&self.clients, &self.networks, delivery, span.position());
        let Some(sent) = shutdown.run_until_cancelled(sent).await else {
            let released = self
                .context
                .database
                .release_delivery(delivery.id, delivery.token);
            self.recorded(delivery, released.await, DeliveryOutcome::Released);
            return;
        };
        sent.trace(&mut span);
        drop(span);
        self.record(delivery, &sent).await;
    }

    async fn record(&self, delivery: &ClaimedDelivery, sent: &Sent) {
        let pause = pause_after_delivery(delivery.event, delivery.attempt).map(jittered);
        let outcome = if pause.is_some() {
            DeliveryOutcome::Retried
        } else {
            DeliveryOutcome::Failed
        };
        // A failed test says nothing about events.
        let counts = delivery.event != WebhookEvent::Test;
        match sent {
            Sent::Delivered(status) => {
                let database = &self.context.database;
                let recorded = database.delivered(delivery.id, delivery.token, status.as_u16());
                self.recorded(delivery, recorded.await, DeliveryOutcome::Delivered);
            }
            Sent::Gone(status) => {
                let gone = FailedDelivery {
                    is_gone: true,
                    ..failed("the receiver answered 410", Some(status.as_u16()), None)
                };
                self.record_failure(delivery, &gone, DeliveryOutcome::Failed)
                    .await;
            }
            Sent::Refused(status) => {
                let reason = format!("the receiver answered {}", status.as_u16());
                let refused = FailedDelivery {
                    counts,
                    ..failed(&reason, Some(status.as_u16()), pause)
                };
                self.record_failure(delivery, &refused, outcome).await;
            }
            Sent::Failed {
                reason,
                is_forbidden,
            } => {
                if *is_forbidden {
                    self.context.metrics.webhooks.forbidden.inc();
                }
                let unsent = FailedDelivery {
                    counts,
                    ..failed(reason, None, pause)
                };
                self.record_failure(delivery, &unsent, outcome).await;
            }
        }
    }

    async fn record_failure(
        &self,
        delivery: &ClaimedDelivery,
        failed: &FailedDelivery<'_>,
        outcome: DeliveryOutcome,
    ) {
        let database = &self.context.database;
        let recorded = database.delivery_failed(delivery.id, delivery.token, failed, MAX_FAILING);
        let recorded = recorded.await;
        tracing::debug!(
            delivery.id = %delivery.id,
            webhook.id = %delivery.webhook,
            attempt = delivery.attempt,
            error = failed.error,
            "a webhook was not delivered"
        );
        if let Ok(Leased::Held(true)) = recorded {
            self.context.metrics.webhooks.disabled.inc();
            tracing::warn!(
                webhook.id = %delivery.webhook,
                error = failed.error,
                "a webhook is disabled: its receiver is gone, or every delivery failed for 5 days"
            );
        }
        self.recorded(delivery, recorded, outcome);
    }

    fn recorded<T>(
        &self,
        delivery: &ClaimedDelivery,
        recorded: Result<Leased<T>, Error>,
        outcome: DeliveryOutcome,
    ) {
        let outcome = match recorded {
            Ok(Leased::Held(_)) => outcome,
            Ok(Leased::Lost) => DeliveryOutcome::LeaseLost,
            // It is due again at the end of the lease.
            Err(error) => {
                let error = error_line(&error);
                tracing::debug!(delivery.id = %delivery.id, error, "the result of a webhook could not be recorded");
                DeliveryOutcome::Unknown
            }
        };
        self.context.metrics.webhooks.deliveries.inc(outcome);
    }

    /// A later version has written the delivery: perhaps its workers can send it.
    async fn undecodable(&self, id: DeliveryId, token: LeaseToken, error: &Error) {
        let reason = error_line(error);
        tracing::error!(delivery.id = %id, error = reason, "a webhook cannot be sent by this version");
        let failed = failed(&reason, None, Some(Duration::from_mins(5)));
        let database = &self.context.database;
        let recorded = database
            .delivery_failed(id, token, &failed, MAX_FAILING)
            .await;
        if let Err(error) = recorded {
            tracing::debug!(error = error_line(&error), "that could not be recorded");
        }
    }

    fn in_use(&self) -> Vec<WebhookUse> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = running.iter().map(|(&webhook, running)| WebhookUse {
            webhook,
            running: running.deliveries,
        });
        uses.collect()
    }

    fn failing(&self) -> u16 {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().map(|running| running.failing).sum()
    }
}

fn failed(
    error: &str,
    response_status: Option<u16>,
    pause: Option<Duration>,
) -> FailedDelivery<'_> {
    FailedDelivery {
        response_status,
        error,
        pause,
        is_gone: false,
        counts: false,
    }
}

/// Counts a delivery as running until it is dropped.
struct Place {
    deliverer: Deliverer,
    webhook: WebhookId,
    failing: u16,
}

impl Place {
    fn take(deliverer: &Deliverer, delivery: &ClaimedDelivery) -> Self {
        let failing = u16::from(delivery.is_failing);
        let mut all = deliverer
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let running = all.entry(delivery.webhook).or_default();
        running.deliveries += 1;
        running.failing += failing;
        Self {
            deliverer: deliverer.clone(),
            webhook: delivery.webhook,
            failing,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let running = &self.deliverer.running;
        let mut all = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = all.get_mut(&self.webhook) {
            running.deliveries -= 1;
            running.failing -= self.failing;
            if running.deliveries == 0 {
                all.remove(&self.webhook);
            }
        }
        drop(all);
        self.deliverer.wakeup.notify_one();
    }
}
