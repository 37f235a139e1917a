//! A collector that is down or silent delays nothing, and is logged once.

use std::time::{Duration, Instant};

use exports_tests::{Fixture, Process};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::{completed, create, traced};

const LINE: &str = "the collector of traces is unavailable";

/// The address of a collector that takes requests and never answers.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while connection.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    url
}

/// Twenty exports, and how long they take together.
async fn exports(fixture: &Fixture) -> Duration {
    let begun = Instant::now();
    for _ in 0..20 {
        let created = create(fixture, &[]).await;
        completed(fixture, &created).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_collector_that_is_down_or_silent_delays_nothing_and_is_logged_once() {
    for collector in ["http://127.0.0.1:1".to_owned(), silent().await] {
        let mut fixture = traced(&collector)
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "8")
            .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
            .start()
            .await;
        let took = exports(&fixture).await;
        assert!(took < Duration::from_secs(15), "{collector}: {took:?}");
        fixture.api_process().wait_for_line(LINE).await;
        fixture.worker_process(0).wait_for_line(LINE).await;
        exports(&fixture).await;
        let logs = fixture.logs();
        assert_eq!(logs.matches(LINE).count(), 2, "one per program: {logs}");
        assert!(!logs.contains("ERROR"), "{logs}");
    }
}

#[tokio::test]
async fn a_stop_waits_for_a_silent_collector_for_two_seconds() {
    let collector = silent().await;
    // No request ends by itself.
    let mut fixture = traced(&collector)
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")
        .start()
        .await;
    exports(&fixture).await;
    let stop = async |process: &mut Process| {
        let begun = Instant::now();
        process.terminate();
        assert_eq!(process.wait().await.code(), Some(0));
        begun.elapsed()
    };
    for took in [
        stop(fixture.worker_process(0)).await,
        stop(fixture.api_process()).await,
    ] {
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
}

#[tokio::test]
async fn the_last_spans_are_sent_before_a_program_exits() {
    let collector = crate::Collector::start().await;
    let mut fixture = traced(collector.url())
        // Longer than the test.
        .env("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .start()
        .await;
    let created = create(&fixture, &[]).await;
    let trace = created.header("x-trace-id").unwrap().to_owned();
    completed(&fixture, &created).await;
    assert!(collector.spans().is_empty());
    fixture.worker_process(0).terminate();
    fixture.worker_process(0).wait().await;
    fixture.api_process().terminate();
    fixture.api_process().wait().await;
    collector.trace(&trace, &crate::SPANS).await;
}

#[tokio::test]
async fn a_wrong_variable_ends_the_start_with_its_name() {
    let fixture = Fixture::builder().without_api().workers(0).start().await;
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_SAMPLER", "xray"),
    ] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
            ("EXPORTS_SIGNING_KEY", exports_tests::SIGNING_KEY),
            ("EXPORTS_LISTEN", "127.0.0.1:0"),
            (name, value),
        ];
        for program in ["exports-api", "exports-worker"] {
            let mut process = Process::start(program, &[], fixture.environment(&variables));
            let line = process.wait_for_line("error: ").await;
            assert!(line.contains(&format!("{name} must be ")), "{line}");
            assert!(!process.wait().await.success());
        }
    }
}
