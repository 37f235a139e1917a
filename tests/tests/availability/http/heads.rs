//! Clients that begin a request and do not end it.

use std::time::{Duration, Instant};

use exports_tests::Process;

use super::support::{
    MIB, address, all_closed, environment, fixture, good_requests_until, many, raise_own_limit,
    start_with_limit,
};

/// The figures: closed within 15 s, good requests within 1 s, a stop within 2 s. The soft limit of open files is low; the
/// API raises it.
#[tokio::test]
async fn half_open_heads_are_closed_and_neither_delay_requests_nor_a_stop() {
    raise_own_limit();
    let fixture = fixture().await;
    let mut api = start_with_limit("-Sn 256", environment(&fixture, &[]));
    let address = address(&mut api).await;
    let base = format!("http://{address}");
    let begun = Instant::now();
    let mut open = many(250, address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await;
    open.extend(many(250, address, b"").await);
    let (closed, longest) = good_requests_until(&base, async {
        all_closed(open).await;
        begun.elapsed()
    })
    .await;
    println!("closed after {closed:?}, the slowest good request took {longest:?}");
    assert!(closed >= Duration::from_secs(9), "{closed:?}");
    assert!(closed <= Duration::from_secs(15), "{closed:?}");
    assert!(longest <= Duration::from_secs(1), "{longest:?}");

    let open = many(150, address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await;
    let begun = Instant::now();
    api.terminate();
    assert_eq!(api.wait().await.code(), Some(0));
    let stopped = begun.elapsed();
    println!("stopped after {stopped:?}");
    assert!(stopped <= Duration::from_secs(2), "{stopped:?}");
    all_closed(open).await;
}

/// The figure: at most 128 MiB.
#[tokio::test]
async fn unfinished_heads_of_any_size_stay_within_128_mib() {
    raise_own_limit();
    let fixture = fixture().await;
    let mut api = Process::start("exports-api", &[], environment(&fixture, &[]));
    let address = address(&mut api).await;
    let base = format!("http://{address}");
    let head = |size: usize| {
        let begin = "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ";
        format!("{begin}{}", "a".repeat(size - begin.len())).into_bytes()
    };
    let (open, longest) = good_requests_until(&base, many(603, address, &head(390_000))).await;
    let ((), more) = good_requests_until(&base, all_closed(open)).await;
    let (_, peak) = api.memory();
    println!(
        "603 heads of 390 KB: {} MiB, good requests {:?}",
        peak / MIB,
        longest.max(more)
    );
    assert!(peak <= 128 * MIB, "{peak}");
    assert!(
        longest.max(more) <= Duration::from_secs(1),
        "{longest:?} {more:?}"
    );

    // The largest heads that the API keeps, on as many connections as it accepts.
    let open = many(2000, address, &head(16 * 1024 - 1)).await;
    all_closed(open).await;
    let (_, peak) = api.memory();
    println!("2,000 heads of 16 KiB: {} MiB", peak / MIB);
    assert!(peak <= 128 * MIB, "{peak}");
}
