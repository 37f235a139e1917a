//! Clients that open an event stream and never read it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use exports_tests::{Fixture, Scrape, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::support::{MIB, good_request, metrics};

/// Exports of the project, half of them pending and half processing. Each is an event of about 2.5 KiB at the start of a
/// stream: together more than the system buffers for a connection.
const EXPORTS: u32 = 2000;
/// The most that a project may have.
const STREAMS: usize = 100;

/// A connection that takes only a few KiB until it is read.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test]
async fn event_streams_that_nobody_reads_hold_little_memory_and_are_closed() {
    let builder = Fixture::builder().workers(0);
    let builder = builder.api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0");
    let mut fixture = builder.start().await;
    let metrics = metrics(fixture.api_process()).await;
    let base = fixture.api().base().to_owned();
    let address = base.trim_start_matches("http://").parse().unwrap();
    let endpoints = "ARRAY (SELECT gen_random_uuid() FROM generate_series(1, 50) WHERE number > 0)";
    fixture
        .database()
        .execute(format!(
            "INSERT INTO exports (id, project_id, created_at, direction, filter_start_time, filter_end_time,
                                  filter_endpoint_ids, status, due_at,
                                  attempt, started_at, lease_owner, lease_token, lease_expires_at)
             SELECT gen_random_uuid(), '{}', at, 'outbound', '2025-12-01', '2025-12-02', {endpoints},
                    CASE WHEN runs THEN 'processing' ELSE 'pending' END, at,
                    runs::int, CASE WHEN runs THEN at END, CASE WHEN runs THEN 'w' END,
                    CASE WHEN runs THEN gen_random_uuid() END, CASE WHEN runs THEN at + interval '1 day' END
             FROM (SELECT number, number % 2 = 0 AS runs,
                          clock_timestamp() - interval '1 hour' + number * interval '1 ms' AS at
                   FROM generate_series(1, {EXPORTS}) number) queued",
            fixture.project()
        ))
        .await;
    good_request(&base).await;
    let (before, _) = fixture.api_process().memory();

    let begun = Instant::now();
    let mut streams = Vec::new();
    let request = format!(
        "GET /v1/exports/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        fixture.key()
    );
    for _ in 0..STREAMS {
        let mut stream = narrow(address).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 100];
        let count = stream.read(&mut start).await.unwrap();
        let start = String::from_utf8_lossy(&start[..count]);
        assert!(start.starts_with("HTTP/1.1 200"), "{start}");
        streams.push(stream);
    }
    let limit = Duration::from_secs(90);
    eventually("every stream is closed", limit, async || {
        // Rendering for all streams takes the CPU meanwhile: this bounds a hang, not the speed.
        assert!(good_request(&base).await < Duration::from_secs(10));
        let scrape = Scrape::of(&metrics).await;
        let slow = [("reason", "slow_reader")];
        let closed = scrape.find("exports_http_connections_closed_total", &slow)[0].value;
        let open = scrape.value("exports_open_waiters", &[("kind", "stream")]);
        let all = f64::from(u32::try_from(STREAMS).unwrap());
        (closed > all - 0.5 && open < 0.5).then_some(())
    })
    .await;
    let (_, peak) = fixture.api_process().memory();
    println!(
        "{STREAMS} streams: {} MiB more, closed after {:?}",
        peak.saturating_sub(before) / MIB,
        begun.elapsed()
    );
    assert!(peak < before + 100 * MIB, "{before} {peak}");
    drop(streams);
}
