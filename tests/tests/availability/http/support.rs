//! An API on its own, and clients that send bytes.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use exports_tests::{Client, Fixture, Process, TIMEOUT, http_client, program};
use futures_util::future::join_all;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) const MIB: u64 = 1024 * 1024;

const SIGNING_KEY: &str = "a signing key for tests, which is long enough";

/// A fixture without services, for an API that the test starts itself.
pub(super) async fn fixture() -> Fixture {
    let builder = Fixture::builder().workers(0);
    builder.without_api().start().await
}

/// The variables of an API on this fixture.
pub(super) fn environment(fixture: &Fixture, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let folder = fixture.store_folder().expect("a file store");
    let store = format!("file://{}", folder.display());
    let mut variables = vec![
        ("DATABASE_URL", fixture.database().url()),
        ("EXPORTS_OBJECT_STORE_URL", &store),
        ("EXPORTS_SIGNING_KEY", SIGNING_KEY),
        ("EXPORTS_LISTEN", "127.0.0.1:0"),
        ("EXPORTS_METRICS_LISTEN", "127.0.0.1:0"),
        ("EXPORTS_LOG_FORMAT", "json"),
    ];
    variables.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    variables.extend_from_slice(more);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    variables.into_iter().map(owned).collect()
}

/// Starts an API under a limit of open files: the options of `ulimit`.
pub(super) fn start_with_limit(limit: &str, environment: Vec<(String, String)>) -> Process {
    let mut command = Command::new("/bin/sh");
    let script = format!("ulimit {limit} && exec \"$0\"");
    command.arg("-c").arg(script).arg(program("exports-api"));
    command.env_clear().envs(environment);
    Process::spawn("exports-api", command)
}

/// The address of a running API.
pub(super) async fn address(process: &mut Process) -> SocketAddr {
    let url = process.wait_for_address().await;
    let (_, address) = url.split_once("://").expect("a URL");
    address.parse().expect("an address")
}

/// The address of its metrics.
pub(super) async fn metrics(process: &mut Process) -> String {
    let event = process.wait_for_event("metrics listening").await;
    event["address"].as_str().expect("an address").to_owned()
}

/// Lets this process open as many files as it may: it has as many connections as the API.
pub(super) fn raise_own_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("a higher limit");
}

/// A connection that has sent these bytes.
pub(super) async fn sent(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.ok();
    stream
}

/// Many of them.
pub(super) async fn many(count: usize, address: SocketAddr, bytes: &[u8]) -> Vec<TcpStream> {
    join_all((0..count).map(|_| sent(address, bytes))).await
}

/// Waits until the server has closed every connection.
pub(super) async fn all_closed(streams: Vec<TcpStream>) {
    let ends = streams.into_iter().map(async |mut stream| {
        let mut rest = Vec::new();
        // A reset is an end, too.
        stream.read_to_end(&mut rest).await.ok();
    });
    timeout(TIMEOUT, join_all(ends)).await.expect("all closed");
}

/// Sends a good request over a new connection, and returns the time until the response.
pub(super) async fn good_request(base: &str) -> Duration {
    let begun = Instant::now();
    let request = http_client().get(format!("{base}/healthz")).send();
    assert_eq!(request.await.expect("a response").status(), 200);
    begun.elapsed()
}

/// Sends good requests until `done` ends, and returns its result and the longest time of a request.
pub(super) async fn good_requests_until<T>(
    base: &str,
    done: impl Future<Output = T>,
) -> (T, Duration) {
    let mut longest = Duration::ZERO;
    let mut done = std::pin::pin!(done);
    loop {
        longest = longest.max(good_request(base).await);
        if let Ok(result) = timeout(Duration::from_millis(200), &mut done).await {
            return (result, longest);
        }
    }
}

/// A client for the API at this address.
pub(super) fn client(address: SocketAddr) -> Client {
    Client::new(&format!("http://{address}"))
}
