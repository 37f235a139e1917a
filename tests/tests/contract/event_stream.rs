//! A client of event streams, and exports that change only when a test changes them.

use std::time::Duration;

use exports_tests::{Fixture, FixtureBuilder, TIMEOUT};
use reqwest::Method;
use serde_json::Value;

use crate::api::Api;
use crate::shared::path;

/// The contract's bound, and what a busy machine adds.
pub(crate) const FIVE_SECONDS: Duration = Duration::from_millis(6500);

/// An event stream.
pub(crate) struct Stream {
    response: reqwest::Response,
    buffer: String,
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Stream {
    pub(crate) async fn open(api: &Api, path: &str, last_event_id: Option<&str>) -> Self {
        let client = exports_tests::Client::new(api.base()).with_key(api.key());
        let mut request = client
            .request(Method::GET, path)
            .timeout(Duration::from_mins(5));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/event-stream");
        assert!(response.headers().contains_key("x-request-id"));
        let buffer = String::new();
        Self { response, buffer }
    }

    pub(crate) async fn of(api: &Api, id: &str) -> Self {
        Self::open(api, &format!("{}/events", path(id)), None).await
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.next_within(TIMEOUT).await
    }

    pub(crate) async fn next_within(&mut self, limit: Duration) -> Option<Event> {
        let next = tokio::time::timeout(limit, self.read());
        next.await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let Some(name) = field("event") else {
                    continue;
                };
                return Some(Event {
                    name: name.to_owned(),
                    id: field("id").map(str::to_owned),
                    data: serde_json::from_str(field("data").unwrap()).unwrap(),
                });
            }
            // A server that ends breaks the connection or ends the stream.
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// An API without workers, whose exports change only when the test changes them.
pub(crate) fn idle() -> FixtureBuilder {
    Fixture::builder()
        .workers(0)
        .roles()
        .api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0")
}

/// Fails an export by SQL, without a notification.
pub(crate) async fn fail(fixture: &Fixture, id: &str) {
    fixture.database().execute(fail_sql(id)).await;
}

pub(crate) fn fail_sql(id: &str) -> String {
    format!(
        "UPDATE exports SET status = 'failed', lease_expires_at = NULL, lease_owner = NULL, error_code = 'INTERNAL_ERROR', error_message = 'x' WHERE id = '{id}'"
    )
}
