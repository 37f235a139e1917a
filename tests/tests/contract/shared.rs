//! Fixtures that many tests share, and the consumers that use them.
//!
//! All tests run on one runtime, because connections belong to the runtime that opened them. A shared fixture starts on first use
//! and ends with the last running test. In a static it would never be dropped, and its processes would stay.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use exports_domain::ExportStatus;
use exports_objects::FileHeaders;
use exports_tests::{ExportRow, Fixture, Message, Reply, StoreKind, TIMEOUT, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use url::Url;

use crate::api::Api;

/// The signing key of the links of the file store.
pub(crate) const SIGNING_KEY: &str = "the contract's signing key: 42 bytes of it";

/// The key that signs manifests.
const MANIFEST_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIFHKNQJ8z4Lq26RbvgAXGqxW9r9IC93IJUIsc7wrUe/q\n\
    -----END PRIVATE KEY-----\n";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build().expect("a runtime")
});

static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

static NUMBER: AtomicU32 = AtomicU32::new(0);

#[derive(Default)]
struct Shared {
    file: OnceCell<Fixture>,
    s3: OnceCell<Fixture>,
    garage: OnceCell<Fixture>,
}

/// The fixtures that all tests share, one for each store.
pub(crate) struct SharedFixtures(Arc<Shared>);

/// Runs a test.
pub(crate) fn story(test: impl AsyncFnOnce(SharedFixtures)) {
    let mut slot = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let shared = slot.upgrade().unwrap_or_default();
    *slot = Arc::downgrade(&shared);
    drop(slot);
    RUNTIME.block_on(test(SharedFixtures(shared)));
}

impl SharedFixtures {
    /// The shared fixture with this store.
    pub(crate) async fn on(&self, kind: StoreKind) -> &Fixture {
        let cell = match kind {
            StoreKind::File => &self.0.file,
            StoreKind::S3 => &self.0.s3,
            StoreKind::Garage => &self.0.garage,
        };
        cell.get_or_init(|| {
            Fixture::builder()
                .store(kind)
                .api_env("EXPORTS_SIGNING_KEY", SIGNING_KEY)
                .api_env("EXPORTS_MANIFEST_KEY", MANIFEST_KEY)
                .worker_env("EXPORTS_CONCURRENCY", "4")
                .start()
        })
        .await
    }

    /// A new consumer of the shared fixture with the file store.
    pub(crate) async fn consumer(&self) -> Consumer<'_> {
        self.consumer_on(StoreKind::File).await
    }

    /// A new consumer of the shared fixture with this store.
    pub(crate) async fn consumer_on(&self, kind: StoreKind) -> Consumer<'_> {
        Consumer::new_on(self.on(kind).await).await
    }
}

/// A consumer with a project and a key.
pub(crate) struct Consumer<'a> {
    pub(crate) fixture: &'a Fixture,
    pub(crate) api: Api,
    pub(crate) project: String,
}

impl<'a> Consumer<'a> {
    /// The owner of the fixture's project.
    pub(crate) fn owner_of(fixture: &'a Fixture) -> Self {
        Self {
            fixture,
            api: Api::new(fixture.api().clone()),
            project: fixture.project().to_owned(),
        }
    }

    /// A new consumer with a new project.
    pub(crate) async fn new_on(fixture: &'a Fixture) -> Self {
        let project = format!("proj_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self {
            fixture,
            api: Api::new(fixture.another_consumer(&project).await),
            project,
        }
    }

    /// Creates an export and returns `data` of the response.
    pub(crate) async fn create(&self, request: &Value) -> Value {
        self.api
            .post("/v1/exports", request)
            .await
            .expect(201)
            .data()
    }

    /// Returns an export.
    pub(crate) async fn get(&self, id: &str) -> Value {
        self.api.get(&path(id)).await.expect(200).data()
    }

    /// Polls until an export has this status.
    pub(crate) async fn until(&self, id: &str, status: &str) -> Value {
        let fact = format!("export {id} is {status}");
        eventually(&fact, TIMEOUT, async || {
            let export = self.get(id).await;
            assert!(export["status"] != "failed", "{export:#}");
            (export["status"] == status).then_some(export)
        })
        .await
    }

    /// An export of three messages, completed by the worker.
    pub(crate) async fn completed(&self) -> Value {
        let message = || Message::outbound(&self.project).last_error("a \"quoted\", wide text: é");
        self.fixture
            .insert_messages(&[message(), message(), message()])
            .await;
        let id = id_of(&self.create(&request()).await);
        self.until(&id, "completed").await
    }

    /// Inserts a row of `exports` and returns its id. A completed one gets a file of the recorded size.
    pub(crate) async fn put(&self, row: ExportRow) -> String {
        self.put_named(row, "export.csv", "text/csv; charset=utf-8")
            .await
    }

    /// The same, with a file of this name and type.
    pub(crate) async fn put_named(
        &self,
        row: ExportRow,
        file_name: &str,
        media_type: &'static str,
    ) -> String {
        if let Some(size) = row.file_size() {
            let headers = FileHeaders::attachment(file_name, media_type);
            let file = vec![b'x'; size].into();
            let store = self.fixture.open_store();
            let put = store.put(&row.object_key(), file, &headers).await;
            put.expect("the store takes the file");
        }
        self.put_without_file(row).await
    }

    /// Inserts a row of `exports`, and nothing into the store.
    pub(crate) async fn put_without_file(&self, row: ExportRow) -> String {
        row.insert(self.fixture.database().pool()).await.to_string()
    }

    /// A row of this consumer. A pending row is due in the far future and a processing row has a long lease, so that no worker claims
    /// them.
    pub(crate) fn row(&self, status: ExportStatus) -> ExportRow {
        let row = ExportRow::of(&self.project, status);
        let far = "2999-01-01T00:00:00Z";
        match status {
            ExportStatus::Pending => row.with("due_at", far),
            ExportStatus::Processing => row.with("lease_expires_at", far),
            ExportStatus::Completed | ExportStatus::Failed | ExportStatus::Expired => row,
        }
    }

    /// The download link: the target of the 302.
    pub(crate) async fn link(&self, id: &str) -> Url {
        let reply = self.api.get(&format!("{}/download", path(id))).await;
        let reply = reply.expect(302);
        let location = reply
            .header("location")
            .expect("a redirect has a `Location`");
        location.parse().expect("an absolute URL")
    }

    /// Follows a link to this API, without the key.
    pub(crate) async fn follow(&self, link: &Url) -> Reply {
        let api = self.api.without_key();
        api.send(Method::GET, link.as_str(), |request| request)
            .await
    }
}

/// A request for six days of messages, without filters.
pub(crate) fn request() -> Value {
    json!({ "start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-06T23:59:59Z" })
}

/// The same request with added or changed fields.
pub(crate) fn request_with(changes: Value) -> Value {
    let (mut request, Value::Object(changes)) = (request(), changes) else {
        panic!("changes are an object");
    };
    request.as_object_mut().unwrap().extend(changes);
    request
}

/// The path of an export.
pub(crate) fn path(id: &str) -> String {
    format!("/v1/exports/{id}")
}

/// The id of an export.
pub(crate) fn id_of(export: &Value) -> String {
    export["id"]
        .as_str()
        .expect("an export has an id")
        .to_owned()
}

/// The names of an object's fields, sorted.
pub(crate) fn fields(object: &Value) -> Vec<&str> {
    let object = object.as_object().expect("a JSON object");
    object.keys().map(String::as_str).collect()
}
