//! Telling a story: a deployment for it alone, its logs if it ends badly, nothing left either way.

use std::io::Write;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use crate::deployment::Deployment;
use crate::engine;
use crate::plan::Plan;

/// Deployments that are up at the same time. Each has two networks, of which an engine has some
/// thirty to give.
static DEPLOYMENTS: Semaphore = Semaphore::const_new(6);

/// Deploys what the plan says, tells the story of it, and removes everything. Where no Docker
/// engine answers it is skipped, in one line for all; that is a failure where `CI` is `true`.
pub fn story(plan: Plan, tell: impl AsyncFnOnce(&mut Deployment)) {
    if !engine::is_there() {
        return;
    }
    // testcontainers removes containers from within a drop, which blocks a thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let _place = DEPLOYMENTS.acquire().await.expect("never closed");
        engine::assert_images().await;
        let mut deployment = Deployment::start(plan).await;
        let told = AssertUnwindSafe(tell(&mut deployment)).catch_unwind().await;
        if told.is_err() {
            deployment.print_logs().await;
        }
        Box::pin(deployment.remove()).await;
        if let Err(panic) = told {
            resume_unwind(panic);
        }
    });
}

/// Prints how long something took, whatever becomes of the test's other output.
pub fn figure(what: &str, took: Duration) {
    let line = format!("FIGURE: {what}: {:.1} s\n", took.as_secs_f64());
    let _ = std::io::stderr().write_all(line.as_bytes());
}
