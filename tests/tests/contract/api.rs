//! A client of the API that checks every response against the contract and against the schema of its operation and status.

use exports_tests::{Client, Reply};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::response_rules::ResponseRules;

/// A client of the API that checks every response.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
}

impl Api {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The same client without an API key.
    pub(crate) fn without_key(&self) -> Self {
        Self::new(self.client.without_key())
    }

    /// The base URL, `http://host:port`.
    pub(crate) fn base(&self) -> &str {
        self.client.base()
    }

    /// The API key that the client sends.
    pub(crate) fn key(&self) -> &str {
        self.client.key().expect("a client with a key")
    }

    /// Sends a request to a path or an absolute URL of this API. `prepare` adds headers or a body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        prepare: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Reply {
        let request = prepare(self.client.request(method.clone(), path));
        let reply = self.client.send(request).await;
        self.check_reply(&method, path, &reply).await;
        reply
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, |request| request).await
    }

    pub(crate) async fn head(&self, path: &str) -> Reply {
        self.send(Method::HEAD, path, |request| request).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, |request| request).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, |request| request.json(body))
            .await
    }

    /// A create with an `Idempotency-Key`.
    pub(crate) async fn post_keyed(&self, key: &str, body: &Value) -> Reply {
        self.send(Method::POST, "/v1/exports", |request| {
            request.header("Idempotency-Key", key).json(body)
        })
        .await
    }

    /// Checks a response that another client received.
    pub(crate) async fn check_reply(&self, method: &Method, path: &str, reply: &Reply) {
        let path = path.strip_prefix(self.base()).unwrap_or(path);
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        ResponseRules::of(&self.client)
            .await
            .check(method, path, reply);
    }
}

/// Fails unless the response has this status and error code and its message contains every string of `says`.
#[track_caller]
pub(crate) fn assert_refused(reply: &Reply, status: u16, code: &str, says: &[&str]) {
    let message = reply.error_message();
    assert_eq!(
        (reply.status, &*reply.error_code()),
        (status, code),
        "{message}"
    );
    for words in says {
        assert!(message.contains(words), "{words:?} is not in {message:?}");
    }
}
