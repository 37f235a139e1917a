//! Clients that read files slowly.

use std::fs::{File, create_dir_all};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use exports_domain::ExportStatus;
use exports_tests::{ExportRow, Fixture, Scrape, eventually, http_client};
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use url::Url;

use super::support::{MIB, good_request, metrics, raise_own_limit, sent};

/// More than the system buffers for a connection.
const FILE_SIZE: u64 = 64 * MIB;
const FILES: usize = 16;
/// The most that one file may have.
const READERS: usize = 64;
/// Requests at the same time: each looks up its file.
const AT_A_TIME: usize = 8;

/// A link to a completed export with a large file.
async fn link(fixture: &Fixture) -> Url {
    let row = ExportRow::of(fixture.project(), ExportStatus::Completed);
    let row = row.with("file_size_bytes", FILE_SIZE);
    let path = fixture.file_path(&row.object_key());
    create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = File::create(path).expect("a file");
    file.set_len(FILE_SIZE).expect("a size");
    let id = row.insert(fixture.database().pool()).await;
    fixture.link(&id.to_string()).await
}

/// Requests the file, and reads the start of the response.
async fn open(address: SocketAddr, link: &Url) -> (TcpStream, String) {
    let (path, query) = (link.path(), link.query().unwrap());
    let request = format!("GET {path}?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut stream = sent(address, request.as_bytes()).await;
    let mut start = vec![0; 600];
    let count = stream.read(&mut start).await.expect("a response");
    let head = String::from_utf8_lossy(&start[..count]).into_owned();
    (stream, head)
}

async fn assert_one_more_is_refused(link: &Url) {
    let refused = http_client().get(link.clone()).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let headers = refused.headers();
    assert_eq!(headers["retry-after"], "5");
    assert_eq!(headers["ratelimit-policy"], "\"file-downloads\";q=64");
    assert!(refused.text().await.unwrap().contains("RATE_LIMITED"));
}

/// The figure: at most 200 MiB with 1,000 of them. Half of them read nothing, and half 1 KiB a second.
#[tokio::test]
async fn slow_readers_hold_little_memory_and_are_closed() {
    raise_own_limit();
    let builder = Fixture::builder().workers(0);
    let builder = builder.api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0");
    let mut fixture = builder.start().await;
    let metrics = metrics(fixture.api_process()).await;
    let base = fixture.api().base().to_owned();
    let address: SocketAddr = base.trim_start_matches("http://").parse().unwrap();

    let mut readers = Vec::new();
    let mut first = None;
    let begun = Instant::now();
    for _ in 0..FILES {
        let link = link(&fixture).await;
        for _ in 0..READERS / AT_A_TIME {
            for (stream, head) in join_all((0..AT_A_TIME).map(|_| open(address, &link))).await {
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                readers.push(stream);
            }
        }
        if first.is_none() {
            assert_one_more_is_refused(&link).await;
            first = Some(link);
        }
    }
    let total = readers.len();
    let dripping = readers.split_off(total / 2);
    let drips = dripping.into_iter().map(async |mut stream| {
        let mut some = [0; 1024];
        while matches!(stream.read(&mut some).await, Ok(1..)) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let drips = tokio::spawn(join_all(drips.collect::<Vec<_>>()));
    let limit = Duration::from_secs(90);
    eventually("every slow reader is closed", limit, async || {
        assert!(good_request(&base).await < Duration::from_secs(1));
        let scrape = Scrape::of(&metrics).await;
        let slow = [("reason", "slow_reader")];
        let closed = scrape.find("exports_http_connections_closed_total", &slow)[0].value;
        (closed > f64::from(u32::try_from(total).unwrap()) - 0.5).then_some(())
    })
    .await;
    let (_, peak) = fixture.api_process().memory();
    println!(
        "{total} slow readers: {} MiB, closed after {:?}",
        peak / MIB,
        begun.elapsed()
    );
    assert!(peak <= 200 * MIB, "{peak}");
    // The file has free places again, and its readers get all of it.
    let whole = http_client().get(first.unwrap()).send().await.unwrap();
    assert_eq!(whole.bytes().await.unwrap().len() as u64, FILE_SIZE);
    drips.abort();
    drop(readers);
}
