//! Tests of the look-ups, with queries that are counted.

use std::sync::atomic::{AtomicU32, Ordering};

use exports_domain::{KeyId, LimitOverrides, Scope};
use exports_service::metrics::Registry;
use futures_util::future::join_all;
use tokio::sync::Notify;
use uuid::Uuid;

use super::*;

fn lookups() -> Arc<KeyLookups> {
    let metrics = ApiMetrics::new(&Registry::new("test", "0"));
    Arc::new(KeyLookups::new(Arc::new(metrics)))
}

fn authenticated() -> Authenticated {
    Authenticated {
        key: KeyId(Uuid::nil()),
        project: "proj_a".parse().unwrap(),
        scope: Scope::Write,
        remaining: None,
        suspended: false,
        limits: LimitOverrides::default(),
    }
}

/// Counts the queries that run.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU32>);

impl Counted {
    #[expect(clippy::unused_async, reason = "as a look-up in the database")]
    async fn answer(
        self,
        found: Option<Authenticated>,
    ) -> Result<Option<Authenticated>, DatabaseError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn hash(number: u32) -> KeyHash {
    KeyHash::of(&number.to_string())
}

#[tokio::test]
async fn a_refused_key_is_not_looked_up_again() {
    let (lookups, queries) = (lookups(), Counted::default());
    for _ in 0..100 {
        let outcome = lookups.run(hash(1), queries.clone().answer(None)).await;
        assert!(outcome.unwrap().is_none());
    }
    assert_eq!(queries.count(), 1);
    // As if the time were over.
    lookups.lock().refused.insert(hash(1), Instant::now());
    let valid = queries.clone().answer(Some(authenticated()));
    assert!(lookups.run(hash(1), valid).await.unwrap().is_some());
    assert_eq!(queries.count(), 2);
}

#[tokio::test]
async fn unknown_keys_share_a_budget_that_known_keys_do_not_need() {
    let (lookups, queries) = (lookups(), Counted::default());
    let valid = || Counted::default().answer(Some(authenticated()));
    assert!(lookups.run(hash(0), valid()).await.unwrap().is_some());
    let began = Instant::now();
    for number in 1..=10 * BUDGET {
        let _ = lookups
            .run(hash(number), queries.clone().answer(None))
            .await;
        assert!(lookups.run(hash(0), valid()).await.unwrap().is_some());
    }
    let seconds = u32::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!(
        queries.count() <= BUDGET + BUDGET * seconds,
        "{}",
        queries.count()
    );
    // A known key that is revoked is refused like any other.
    let revoked = Counted::default().answer(None);
    assert!(lookups.run(hash(0), revoked).await.unwrap().is_none());
    assert!(lookups.run(hash(0), valid()).await.unwrap().is_none());
}

#[tokio::test]
async fn concurrent_look_ups_of_a_key_are_one_query() {
    let (lookups, queries, go) = (lookups(), Counted::default(), Arc::new(Notify::new()));
    let look_up = || {
        let (queries, go) = (queries.clone(), Arc::clone(&go));
        lookups.run(hash(1), async move {
            go.notified().await;
            queries.answer(Some(authenticated())).await
        })
    };
    let all = join_all((0..20).map(|_| look_up()));
    let (outcomes, ()) = tokio::join!(all, async {
        // All look-ups wait for the query before it ends.
        tokio::task::yield_now().await;
        go.notify_one();
    });
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(Some(_))))
    );
    assert_eq!(queries.count(), 1);
}

#[tokio::test]
async fn an_abandoned_query_is_replaced() {
    let lookups = lookups();
    let never = std::future::pending();
    let abandoned = tokio::time::timeout(Duration::ZERO, lookups.run(hash(1), never)).await;
    assert!(abandoned.is_err());
    let valid = Counted::default().answer(Some(authenticated()));
    assert!(lookups.run(hash(1), valid).await.unwrap().is_some());
    assert!(lookups.lock().running.is_empty());
}
