//! Deliveries through the proxy of `EXPORTS_WEBHOOK_PROXY`, and never through the proxies of the environment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exports_tests::{Fixture, holds_within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::receiver::{Answer, Receiver};
use crate::support::{create, fixture, insert, path, until_delivery};
use crate::tls;

/// A proxy. It opens tunnels to loopback, and answers plain requests itself, like the receiver of any name.
struct HttpProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl HttpProxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&log)));
            }
        });
        Self {
            address,
            heads,
            task,
        }
    }

    fn url(&self) -> String {
        format!("http://user:word@{}", self.address)
    }

    /// The heads of the requests that it got.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    log.lock().unwrap().push(head.clone());
    let Some(target) = head.strip_prefix("CONNECT ") else {
        let answer = b"HTTP/1.1 204 Any\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.ok()?;
        // A close with unread bytes would reset the connection before the answer is read.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok()?;
        return Some(());
    };
    let (_, port) = target.split_whitespace().next()?.rsplit_once(':')?;
    let port: u16 = port.parse().unwrap();
    let mut receiver = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"HTTP/1.1 200 Any\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut stream, &mut receiver).await.ok()?;
    Some(())
}

/// The variables of proxies that other programs of the machine may need.
const OF_THE_ENVIRONMENT: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

async fn send_test(fixture: &Fixture, id: &str) {
    let test = format!("{}/test", path(id));
    assert_eq!(fixture.api().post(&test, &json!({})).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_go_through_the_proxy_which_resolves_the_names() {
    let (proxy, other) = (HttpProxy::start().await, HttpProxy::start().await);
    let mut builder = fixture()
        .worker_env("EXPORTS_WEBHOOK_PROXY", &proxy.url())
        .worker_env("SSL_CERT_FILE", &tls::file("ca.pem"))
        // This list of hosts is that of the other variables.
        .worker_env("NO_PROXY", "*");
    for name in OF_THE_ENVIRONMENT {
        builder = builder.worker_env(name, &other.url());
    }
    let fixture = builder.start().await;

    // Encrypted: the proxy opens a tunnel and sees neither the signature nor the body.
    let receiver = tls::receiver().await;
    let authority = format!("localhost:{}", receiver.port());
    let url = format!("https://{authority}/webhooks?of=tests");
    let (id, secret) = create(&fixture, &url, &["export.completed"]).await;
    send_test(&fixture, &id).await;
    until_delivery(&fixture, &id, "delivered").await;
    let requests = receiver.received();
    assert_eq!(requests.len(), 1);
    requests[0].assert_signed_with(&secret);
    assert!(!requests[0].headers.contains_key("proxy-authorization"));
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1);
    let line = format!("CONNECT {authority} HTTP/1.1\r\n");
    assert!(heads[0].starts_with(&line), "{heads:?}");
    let head = heads[0].to_ascii_lowercase();
    assert!(
        head.contains("proxy-authorization: basic dxnlcjp3b3jk\r\n"),
        "{head}"
    );
    assert!(!head.contains("webhook-"), "{head}");

    // Plain, to a name that this machine cannot resolve.
    let (id, _) = create(
        &fixture,
        "http://receiver.invalid/webhooks?of=tests",
        &["export.completed"],
    )
    .await;
    send_test(&fixture, &id).await;
    until_delivery(&fixture, &id, "delivered").await;
    let heads = proxy.heads();
    assert_eq!(heads.len(), 2);
    let line = "POST http://receiver.invalid/webhooks?of=tests HTTP/1.1\r\n";
    assert!(heads[1].starts_with(line), "{heads:?}");
    assert!(
        heads[1]
            .to_ascii_lowercase()
            .contains("webhook-signature: v1,")
    );
    assert!(other.heads().is_empty());
    let logs = fixture.logs();
    assert!(!logs.contains("user:word"), "the log contains the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_in_urls_are_checked_also_with_a_proxy() {
    let proxy = HttpProxy::start().await;
    let receiver = Receiver::answering(Answer::Status(200)).await;
    let fixture = Fixture::builder()
        .worker_env("EXPORTS_WEBHOOK_PROXY", &proxy.url())
        .start()
        .await;
    let port = receiver.port();
    let mut ids = Vec::new();
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        format!("http://receiver.invalid:{port}/"),
    ] {
        // As before the address was refused, or as another release may have accepted it.
        ids.push(insert(&fixture, &url).await.0.to_string());
    }
    for id in &ids {
        send_test(&fixture, id).await;
    }
    for id in &ids {
        until_delivery(&fixture, id, "failed").await;
    }
    let errors = "SELECT count(*) FROM webhook_deliveries WHERE error LIKE 'the url must %'";
    assert_eq!(fixture.database().value(errors).await, ids.len());
    holds_within("nothing was sent", Duration::from_millis(100), async || {
        proxy.heads().is_empty() && receiver.received().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxies_of_the_environment_are_not_used() {
    let proxy = HttpProxy::start().await;
    let mut builder = fixture().worker_env("SSL_CERT_FILE", &tls::file("ca.pem"));
    for name in OF_THE_ENVIRONMENT {
        builder = builder.worker_env(name, &proxy.url());
    }
    let fixture = builder.start().await;
    let plain = Receiver::answering(Answer::Status(200)).await;
    let encrypted = tls::receiver().await;
    let https = format!("https://localhost:{}/webhooks?of=tests", encrypted.port());
    for (receiver, url) in [(&plain, plain.url()), (&encrypted, https)] {
        let (id, _) = create(&fixture, &url, &["export.completed"]).await;
        send_test(&fixture, &id).await;
        until_delivery(&fixture, &id, "delivered").await;
        assert_eq!(receiver.received().len(), 1);
    }
    assert!(proxy.heads().is_empty(), "{:?}", proxy.heads());
}
