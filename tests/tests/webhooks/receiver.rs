//! A receiver of webhooks with faults. It reads HTTP from the socket itself, so that it can also hang and reset.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// How the receiver answers one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    /// 307 to this URL.
    Redirect(String),
    /// It reads the request and never answers.
    Hang,
    /// It closes the connection after it has read the request.
    Reset,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: Answer,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Verifies the signature with the specification's own library.
    #[track_caller]
    pub(crate) fn assert_signed_with(&self, secret: &str) {
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        webhook.verify(&self.body, &self.headers).unwrap();
    }
}

type Plan = Arc<dyn Fn(usize) -> Answer + Send + Sync>;

/// A running receiver. The drop stops it.
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers request number `n` (from 0) with `plan(n)`.
    pub(crate) async fn start(plan: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, plan).await
    }

    /// Always the same answer.
    pub(crate) async fn answering(answer: Answer) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    pub(crate) async fn serve(
        tls: Option<TlsAcceptor>,
        plan: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (plan, log): (Plan, _) = (Arc::new(plan), Arc::clone(&received));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (plan, log, tls) = (Arc::clone(&plan), Arc::clone(&log), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => answer_all(stream, &plan, &log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer_all(stream, &plan, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            received,
            task,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/webhooks?of=tests", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The ids of the deliveries that were answered 2xx.
    pub(crate) fn accepted(&self) -> HashSet<String> {
        let accepted = self.received();
        let accepted = accepted
            .iter()
            .filter(|it| matches!(it.answer, Answer::Status(200..=299)));
        accepted.map(|it| it.id().to_owned()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers the requests of one connection until it ends.
async fn answer_all(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    plan: &Plan,
    log: &Mutex<Vec<Received>>,
) {
    while let Some((headers, body)) = read_request(&mut stream).await {
        let answer = {
            let mut log = log.lock().unwrap();
            let answer = plan(log.len());
            log.push(Received {
                headers,
                body,
                answer: answer.clone(),
            });
            answer
        };
        let head = match &answer {
            Answer::Status(status) => format!("HTTP/1.1 {status} Any\r\n"),
            Answer::Redirect(to) => {
                format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\n")
            }
            Answer::Hang => return std::future::pending().await,
            Answer::Reset => return,
        };
        let body = match answer {
            Answer::Status(204) => "\r\n",
            _ => "content-length: 2\r\n\r\nok",
        };
        let response = format!("{head}{body}");
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(HeaderMap, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    assert_eq!(
        lines.next(),
        Some("POST /webhooks?of=tests HTTP/1.1"),
        "the request line"
    );
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let length = headers["content-length"].to_str().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some((headers, body))
}
