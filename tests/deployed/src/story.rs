//! Runs a test with its own deployment, shows the logs if it fails, and removes everything.

use std::io::Write;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use crate::deployment::Deployment;
use crate::engine;
use crate::plan::Plan;

/// The maximum number of concurrent deployments. Each has two networks, and an engine has about thirty.
static DEPLOYMENTS: Semaphore = Semaphore::const_new(6);

/// Starts a deployment, runs the test, and removes everything. Without a Docker engine the test is skipped, or fails if `CI` is
/// `true`.
pub fn story(plan: Plan, tell: impl AsyncFnOnce(&mut Deployment)) {
    if !engine::is_there() {
        return;
    }
    // The drop of testcontainers blocks a thread.
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

/// Prints a duration, even if the test runner captures the output.
pub fn figure(what: &str, took: Duration) {
    let line = format!("FIGURE: {what}: {:.1} s\n", took.as_secs_f64());
    let _ = std::io::stderr().write_all(line.as_bytes());
}
