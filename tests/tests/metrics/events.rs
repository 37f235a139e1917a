//! Metrics after certain events.

use exports_tests::{Client, Proxy, Scrape, StoreKind, TIMEOUT, eventually};

use crate::service::{WORKER, ask_for, busy, eventually_tells, is, of_api, of_worker, scraped};

/// Asserts the value of a metric.
fn assert_metric(scrape: &Scrape, name: &str, labels: &[(&str, &str)], value: f64) {
    let told = scrape.value(name, labels);
    assert!(
        is(told, value),
        "{name} with {labels:?}: {told}, not {value}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_reports_exports_rows_bytes_and_phases() {
    let busy = busy(scraped().store(StoreKind::S3)).await;
    let worker = &busy.worker;
    let size = busy.completed["file_size_bytes"].as_f64();
    let size = size.expect("a completed export has a size");

    assert_metric(
        worker,
        "exports_build_info",
        &[("program", "exports-worker")],
        1.0,
    );
    assert_metric(worker, "exports_claims_total", &[], 2.0);
    assert_metric(worker, "exports_takeovers_total", &[], 0.0);
    assert_metric(worker, "exports_leases_lost_total", &[], 0.0);
    assert_metric(
        worker,
        "exports_attempts_total",
        &[("outcome", "completed")],
        1.0,
    );
    assert_metric(
        worker,
        "exports_attempts_total",
        &[("outcome", "failed")],
        1.0,
    );
    assert_metric(worker, "exports_attempts_total", &[], 2.0);
    assert_metric(
        worker,
        "exports_failures_total",
        &[("cause", "invalid_data")],
        1.0,
    );
    assert_metric(worker, "exports_failures_total", &[], 1.0);
    assert_metric(worker, "exports_retries_total", &[], 0.0);
    assert_metric(worker, "exports_running", &[], 0.0);
    assert_metric(worker, "exports_rows_written_total", &[], 3.0);
    assert_metric(worker, "exports_bytes_written_total", &[], size);
    assert_metric(worker, "exports_bytes_uploaded_total", &[], size);
    for (phase, count) in [
        ("queued", 2.0),
        ("first_row", 2.0),
        // The unwritable row ends the streaming phase of the failed export, which is not counted.
        ("streaming", 1.0),
        ("upload_completion", 1.0),
    ] {
        let name = "exports_phase_duration_seconds_count";
        assert_metric(worker, name, &[("phase", phase)], count);
    }
    for state in ["pending", "retrying", "processing"] {
        assert_metric(worker, "exports_queue_exports", &[("state", state)], 0.0);
        assert_metric(
            worker,
            "exports_queue_oldest_age_seconds",
            &[("state", state)],
            0.0,
        );
    }
    // Connections for two concurrent exports and for the other tasks of the worker.
    assert_metric(worker, "exports_database_pool_max_connections", &[], 5.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_reports_requests_by_route_template() {
    let busy = busy(scraped()).await;
    let api = &busy.api;
    let count = |method, route, status, count| {
        let labels = [("method", method), ("route", route), ("status", status)];
        assert_metric(
            api,
            "exports_http_request_duration_seconds_count",
            &labels,
            count,
        );
    };
    assert_metric(
        api,
        "exports_build_info",
        &[("program", "exports-api")],
        1.0,
    );
    count("POST", "/v1/exports", "201", 2.0);
    count("GET", "/v1/exports", "401", 1.0);
    count("GET", "/v1/exports", "503", 1.0);
    count("GET", "/v1/exports/{id}", "404", 1.0);
    count("other", "/v1/exports", "405", 1.0);
    count("GET", "unmatched", "404", 2.0);
    assert_metric(api, "exports_http_requests_in_flight", &[], 0.0);
    assert_metric(api, "exports_database_pool_max_connections", &[], 16.0);
    // Every histogram has a bucket `+Inf` with the total count.
    let name = "exports_http_request_duration_seconds";
    for series in api.find(&format!("{name}_count"), &[]) {
        let labels: Vec<_> = ["method", "route", "status"]
            .map(|label| (label, series.labels[label].as_str()))
            .into();
        let infinite = [&labels[..], &[("le", "+Inf")]].concat();
        assert_metric(api, &format!("{name}_bucket"), &infinite, series.value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_label_contains_an_id_an_address_or_a_secret() {
    let busy = busy(scraped().store(StoreKind::S3)).await;
    let (fixture, s3) = (&busy.fixture, busy.fixture.s3());
    let never = [
        busy.completed["id"].as_str().expect("an id"),
        &busy.failed,
        fixture.project(),
        fixture.key(),
        fixture.database().url(),
        s3.secret_key(),
        s3.access_key(),
        "127.0.0.1",
        "no-such-thing",
        "secret",
        "INVENTED",
    ];
    let labels = [&busy.worker, &busy.api]
        .into_iter()
        .flat_map(Scrape::series)
        .flat_map(|series| series.labels.values());
    for value in labels {
        for never in never {
            assert!(
                !value.contains(never),
                "{never:?} is in the label {value:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_report_a_takeover_and_a_lost_lease() {
    let lease = ("EXPORTS_LEASE", "2s");
    let mut fixture = scraped().workers(0).start().await;
    let source = Proxy::to_postgres(fixture.database().url()).await;
    let behind = source.url(fixture.database().url());
    let loser = fixture.add_worker(&[WORKER, lease, ("EXPORTS_SOURCE_DATABASE_URL", &behind)]);
    let of_loser = of_worker(&mut fixture, loser).await;
    source.hold();
    let id = ask_for(&fixture, "2025-12-03").await;
    fixture.wait_until(&id, "processing").await;
    let scrape = eventually_tells(&of_loser, "exports_running", &[], 1.0).await;
    assert_metric(&scrape, "exports_attempts_total", &[], 0.0);

    fixture.worker_process(loser).pause().await;
    let winner = fixture.add_worker(&[WORKER, lease]);
    let of_winner = of_worker(&mut fixture, winner).await;
    fixture.wait_until(&id, "completed").await;
    let scrape = eventually_tells(&of_winner, "exports_running", &[], 0.0).await;
    assert_metric(&scrape, "exports_claims_total", &[], 1.0);
    assert_metric(&scrape, "exports_takeovers_total", &[], 1.0);

    fixture.worker_process(loser).resume();
    let scrape = eventually_tells(&of_loser, "exports_leases_lost_total", &[], 1.0).await;
    assert_metric(
        &scrape,
        "exports_attempts_total",
        &[("outcome", "lease_lost")],
        1.0,
    );
    assert_metric(&scrape, "exports_takeovers_total", &[], 0.0);
    eventually_tells(&of_loser, "exports_running", &[], 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_source_is_reported_as_a_retry_with_its_cause() {
    let mut fixture = scraped().workers(0).start().await;
    let source = Proxy::to_postgres(fixture.database().url()).await;
    let behind = source.url(fixture.database().url());
    let number = fixture.add_worker(&[WORKER, ("EXPORTS_SOURCE_DATABASE_URL", &behind)]);
    let worker = of_worker(&mut fixture, number).await;
    source.make_unavailable();
    ask_for(&fixture, "2025-12-03").await;
    let cause = [("cause", "source_unavailable")];
    let told = eventually("a retry is reported", TIMEOUT, async || {
        let scrape = Scrape::of(&worker).await;
        (scrape.value("exports_retries_total", &cause) >= 1.0).then_some(scrape)
    })
    .await;
    assert_metric(&told, "exports_failures_total", &[], 0.0);
    let in_pause = [("state", "retrying")];
    eventually_tells(&worker, "exports_queue_exports", &in_pause, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_without_the_queue_are_reported_during_a_database_outage() {
    let mut fixture = scraped().database_proxy().start().await;
    let (worker, api) = (of_worker(&mut fixture, 0).await, of_api(&mut fixture).await);
    let up = "exports_database_up";
    for address in [&worker, &api] {
        eventually_tells(address, up, &[], 1.0).await;
    }
    let queue = ["exports_queue_exports", "exports_queue_oldest_age_seconds"];
    // The database is unavailable, then too slow.
    for away in [Proxy::make_unavailable, Proxy::hold] {
        away(fixture.database_proxy());
        for address in [&worker, &api] {
            let scrape = eventually_tells(address, up, &[], 0.0).await;
            assert!(scrape.value("process_resident_memory_bytes", &[]) > 0.0);
            for name in queue {
                assert_eq!(scrape.find(name, &[]), Vec::<&exports_tests::Series>::new());
            }
        }
        fixture.database_proxy().restore();
        for address in [&worker, &api] {
            eventually_tells(address, up, &[], 1.0).await;
        }
    }
    let scrape = Scrape::of(&worker).await;
    for name in queue {
        assert_metric(&scrape, name, &[], 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_and_metrics_listeners_serve_different_paths() {
    let mut fixture = scraped().workers(0).start().await;
    let api = Client::new(&of_api(&mut fixture).await);
    for path in ["/healthz", "/v1/exports", "/openapi.json", "/"] {
        assert_eq!(api.get(path).await.status, 404, "{path}");
    }
    assert_eq!(fixture.api().get("/metrics").await.status, 404);
}
