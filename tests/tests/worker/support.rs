//! Shared parts of the worker's tests: the fixture without the API, on each store.

use std::panic::{AssertUnwindSafe, resume_unwind};

use exports_tests::StoreKind;
pub(crate) use exports_tests::{Fixture, Worker, everything, range};
use futures_util::FutureExt;

/// The project of every fixture.
pub(crate) const PROJECT: &str = "proj_abc123";

/// Runs a test on every store, on all at the same time.
pub(crate) async fn on_every_store(story: impl AsyncFn(&Fixture)) {
    on_each(StoreKind::all(), story).await;
}

/// Runs a test on every S3 store, for faults in requests.
pub(crate) async fn on_every_bucket(story: impl AsyncFn(&Fixture)) {
    on_each(StoreKind::buckets(), story).await;
}

async fn on_each(kinds: &[StoreKind], story: impl AsyncFn(&Fixture)) {
    let fixtures = kinds.iter().copied().map(Fixture::without_services);
    let fixtures = futures_util::future::join_all(fixtures).await;
    let stories = fixtures
        .iter()
        .map(|fixture| AssertUnwindSafe(story(fixture)).catch_unwind());
    let ended = futures_util::future::join_all(stories).await;
    for (kind, ended) in kinds.iter().zip(ended) {
        if let Err(panic) = ended {
            eprintln!("the test failed on the store {kind:?}");
            resume_unwind(panic);
        }
    }
}

/// A number from the environment, for a long run of the tests.
pub(crate) fn number(variable: &str, default: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| text.parse().expect(variable))
}
