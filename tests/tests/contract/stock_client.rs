//! Wire compatibility with the official client libraries of the original API. The test client sends and reads what they do, and does
//! not know the additions of this service.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use exports_domain::{Clock, SystemClock};
use exports_tests::{Endpoint, Fixture, Loss, Message, Reply, StoreKind, TIMEOUT, http_client};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shared::story;

/// Reads an export as strictly as generated code does.
#[derive(Debug, PartialEq)]
struct Export {
    id: Uuid,
    project_id: String,
    status: String,
    direction: String,
    filter_start_time: DateTime<Utc>,
    filter_end_time: DateTime<Utc>,
    filter_status: Option<String>,
    filter_endpoint_id: Option<Uuid>,
    row_count: Option<i64>,
    file_size_bytes: Option<i64>,
    error_message: Option<String>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// Parses a time. Older clients support only these three formats.
fn time(text: &str) -> DateTime<Utc> {
    let format = match text.len() {
        20 => "%Y-%m-%dT%H:%M:%SZ",
        24 => "%Y-%m-%dT%H:%M:%S%.3fZ",
        27 => "%Y-%m-%dT%H:%M:%S%.6fZ",
        _ => panic!("{text:?} has an unsupported number of digits"),
    };
    let parsed = NaiveDateTime::parse_from_str(text, format);
    parsed
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
        .and_utc()
}

impl Export {
    fn read(data: &Value) -> Self {
        let text = |name: &str| {
            let field = data.get(name)?;
            let field = field
                .as_str()
                .unwrap_or_else(|| panic!("{name} is {field}"));
            Some(field.to_owned())
        };
        let number = |name: &str| data.get(name).map(|it| it.as_i64().expect("an integer"));
        let required = |name: &str| text(name).unwrap_or_else(|| panic!("{name} is missing"));
        Self {
            id: required("id").parse().unwrap(),
            project_id: required("project_id"),
            status: required("status"),
            direction: required("direction"),
            filter_start_time: time(&required("filter_start_time")),
            filter_end_time: time(&required("filter_end_time")),
            filter_status: text("filter_status"),
            filter_endpoint_id: text("filter_endpoint_id").map(|id| id.parse().unwrap()),
            row_count: number("row_count"),
            file_size_bytes: number("file_size_bytes"),
            error_message: text("error_message"),
            started_at: text("started_at").as_deref().map(time),
            completed_at: text("completed_at").as_deref().map(time),
            expires_at: text("expires_at").as_deref().map(time),
            created_at: time(&required("created_at")),
        }
    }
}

/// A client library: a base URL and a key.
struct StockClient {
    base: String,
    key: String,
    http: reqwest::Client,
}

impl StockClient {
    fn new(base: &str, key: &str) -> Self {
        Self {
            base: base.to_owned(),
            key: key.to_owned(),
            http: http_client(),
        }
    }

    /// Sends a request and retries it after a 5xx or a broken connection, also a POST.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let mut tries_left = 3;
        loop {
            let url = format!("{}/v1{path}", self.base);
            let mut request = self
                .http
                .request(method.clone(), url)
                .header("Authorization", format!("Bearer {}", self.key))
                .header("Accept", "application/json")
                .header("User-Agent", "stock-client/1.4.0");
            if let Some(body) = body {
                request = request
                    .header("Content-Type", "application/json")
                    .body(body.to_string());
            }
            let sent = request.send().await;
            tries_left -= 1;
            match sent {
                Ok(answer) if answer.status().as_u16() < 500 || tries_left == 0 => {
                    return Reply {
                        status: answer.status().as_u16(),
                        headers: answer.headers().clone(),
                        body: answer.bytes().await.unwrap(),
                    };
                }
                Err(error) if tries_left == 0 => panic!("{error}"),
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn create(&self, request: &Value) -> Export {
        let reply = self.call(Method::POST, "/exports", Some(request)).await;
        Export::read(&reply.expect(201).data())
    }

    async fn get(&self, id: Uuid) -> Export {
        let reply = self
            .call(Method::GET, &format!("/exports/{id}"), None)
            .await;
        Export::read(&reply.expect(200).data())
    }

    async fn list(&self) -> Vec<Export> {
        let reply = self.call(Method::GET, "/exports", None).await;
        let data = reply.expect(200).data();
        data.as_array()
            .expect("a list")
            .iter()
            .map(Export::read)
            .collect()
    }

    /// Follows the redirect without the key, as the official libraries do.
    async fn download(&self, id: Uuid) -> Vec<u8> {
        let reply = self
            .call(Method::GET, &format!("/exports/{id}/download"), None)
            .await;
        let reply = reply.expect(302);
        let answer = self
            .http
            .get(reply.header("location").unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        answer.bytes().await.unwrap().into()
    }

    async fn delete(&self, id: Uuid) {
        let reply = self
            .call(Method::DELETE, &format!("/exports/{id}"), None)
            .await;
        assert_eq!(reply.status, 204);
    }

    async fn wait(&self, id: Uuid) -> Export {
        let until = SystemClock.now() + TIMEOUT;
        loop {
            let export = self.get(id).await;
            match &*export.status {
                "completed" | "failed" | "expired" => return export,
                "pending" | "processing" => {}
                other => panic!("unknown status: {other}"),
            }
            assert!(SystemClock.now() < until, "{export:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[test]
fn a_stock_client_can_create_list_download_and_delete_exports() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let endpoint = Uuid::now_v7();
            let url = "https://example.com/hook";
            consumer
                .fixture
                .insert_endpoints(&[Endpoint::outbound(&consumer.project, endpoint, url)])
                .await;
            let message = || Message::outbound(&consumer.project).endpoint(endpoint);
            consumer
                .fixture
                .insert_messages(&[
                    message()
                        .status("failed_permanent")
                        .last_error("500, again"),
                    message().status("succeeded"),
                ])
                .await;

            let client = StockClient::new(consumer.api.base(), consumer.api.key());
            assert_eq!(client.list().await, []);
            let queued = client
                .create(&json!({
                    "start_time": "2025-12-01T00:00:00Z",
                    "end_time": "2025-12-06T23:59:59Z",
                    "status": "failed_permanent",
                    "endpoint_id": format!("ep_{}", endpoint.simple()),
                }))
                .await;
            assert_eq!(
                (&*queued.status, &*queued.direction),
                ("pending", "outbound")
            );
            assert_eq!(queued.filter_endpoint_id, Some(endpoint));
            assert_eq!(queued.project_id, consumer.project);

            let done = client.wait(queued.id).await;
            assert_eq!((&*done.status, done.row_count), ("completed", Some(1)));
            assert_eq!(done.error_message, None);
            assert!(done.created_at <= done.started_at.unwrap());
            assert!(done.completed_at < done.expires_at);
            assert_eq!(client.list().await, [client.get(queued.id).await]);
            let file = client.download(queued.id).await;
            assert_eq!(done.file_size_bytes, i64::try_from(file.len()).ok());
            let text = String::from_utf8(file).unwrap();
            assert!(
                text.contains(url) && text.contains("\"500, again\"\r\n"),
                "{text}"
            );

            client.delete(queued.id).await;
            assert_eq!(client.list().await, []);
            let gone = client
                .call(Method::GET, &format!("/exports/{}", queued.id), None)
                .await;
            assert_eq!((gone.status, &*gone.error_code()), (404, "NOT_FOUND"));
        }
    });
}

#[test]
fn retried_creates_of_a_stock_client_create_no_duplicates() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let client = StockClient::new(fixture.api().base(), fixture.key());
        // The client sends no Idempotency-Key, so the server must not return 5xx for a create that was committed.
        for _ in 0..3 {
            fixture
                .database_proxy()
                .lose_at(Loss::Reply, fixture.project());
            client
                .create(&json!({
                    "start_time": "2025-12-01T00:00:00Z",
                    "end_time": "2025-12-06T23:59:59Z",
                }))
                .await;
        }
        assert_eq!(fixture.database_proxy().lost(), 3);
        assert_eq!(client.list().await.len(), 3);
    });
}
