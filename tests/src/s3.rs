//! An S3 server inside the test process, with a hand on its requests.
//!
//! Owns the server (`s3s-fs` over a temporary folder, in a thread and runtime of its own, so that tests without one and
//! other processes can use it) and carries out the faults that a test puts in front of it. It answers as S3 does where `s3s-fs` does
//! not: a request about an upload that is gone is a 404, and a part that arrives while its upload is aborted goes too.

mod faults;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::error_handling::HandleError;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub use faults::{Fault, Injected, Kind, Seen};

use faults::{Faults, query};

const BUCKET: &str = "exports";
const ACCESS_KEY: &str = "test-access-key";
const SECRET_KEY: &str = "test-secret-key";

/// A running server with one bucket. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    root: TempDir,
    faults: Faults,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    /// Starts a server on a free port of 127.0.0.1. Also installs rustls' crypto provider, which every client needs.
    #[must_use]
    pub fn start() -> Self {
        // An error only means that another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let files = s3s_fs::FileSystem::new(root.path()).expect("a file system");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = HandleError::new(service.build(), |error: s3s::HttpError| async move {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}"))
        });
        let faults = Faults::default();
        let front = Front {
            faults: faults.clone(),
            root: root.path().to_owned(),
        };
        let app = Router::new()
            .fallback_service(service)
            .layer(from_fn_with_state(front, answer));

        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a listener for tokio");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve(listener, app, stopped));
        Self {
            address,
            root,
            faults,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The server's address, `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same server under another name, `http://localhost:port`: a link that was signed for one is not valid at the other.
    #[must_use]
    pub fn public_endpoint(&self) -> String {
        format!("http://localhost:{}", self.port())
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The bucket's URL, `s3://bucket`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("s3://{BUCKET}")
    }

    /// The access key id that the server accepts.
    #[must_use]
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// Its secret.
    #[must_use]
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// The variables with which a process finds the server.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint().as_str()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ALLOW_HTTP", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Everything that lies in the bucket: the keys of its objects and, with their names on disk, the remains of uploads
    /// that were neither completed nor aborted. Sorted.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root.path().join(BUCKET), "", &mut found);
        for entry in self.root.path().read_dir().expect("the server's folder") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_string_lossy();
            // `.upload-<id>.json`, `.upload_id-<id>.part-<n>`, `.bucket-….upload-<id>.metadata.json`, `.tmp.<n>.….part`
            if name.contains(".upload") || name.starts_with(".tmp.") {
                found.push(name.into_owned());
            }
        }
        found.sort();
        found
    }

    /// From now on, as long as the answer lives, requests that `when` picks meet this fault. Of several, the oldest counts.
    pub fn inject(
        &self,
        when: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) -> Injected {
        self.faults.inject(when, fault)
    }

    /// How many requests of this kind have come, answered or not.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.faults.count(kind)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: TcpListener, app: Router, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        tokio::select! {
            served = axum::serve(listener, app) => served.expect("serving goes on"),
            _ = stopped => {}
        }
    });
    // Dropping the runtime would wait for a file that is being read; nobody reads it any more.
    runtime.shutdown_background();
}

fn walk(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in directory.read_dir().expect("the bucket's folder") {
        let entry = entry.expect("an entry");
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{key}/"), found);
        } else {
            found.push(key);
        }
    }
}

#[derive(Clone)]
struct Front {
    faults: Faults,
    root: PathBuf,
}

async fn answer(State(front): State<Front>, request: Request, next: Next) -> Response {
    let Some((rule, hits)) = front.faults.meet(Seen::of(&request)) else {
        return front.serve(request, next).await;
    };
    match rule.fault {
        Fault::Answer(status) => {
            // Read to its end: a client that is cut off while it sends would see a broken connection instead.
            let _ = to_bytes(request.into_body(), usize::MAX).await;
            error(
                status,
                if status == 403 {
                    "AccessDenied"
                } else {
                    "Injected"
                },
            )
        }
        Fault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            front.serve(request, next).await
        }
        Fault::Hold => {
            rule.dropped().await;
            front.serve(request, next).await
        }
        Fault::HoldAnswer => {
            let served = front.serve(request, next).await;
            rule.dropped().await;
            served
        }
        Fault::LoseAnswer if hits == 1 => {
            let served = front.serve(request, next).await;
            let _ = to_bytes(served.into_body(), usize::MAX).await;
            error(502, "Injected")
        }
        Fault::LoseAnswer => front.serve(request, next).await,
    }
}

impl Front {
    async fn serve(&self, request: Request, next: Next) -> Response {
        let Some(upload) = query(&request, "uploadId").map(str::to_owned) else {
            return next.run(request).await;
        };
        let front = self.clone();
        // In a task of its own: a client that goes away must not take the second half with it.
        let served = tokio::spawn(async move {
            let served = next.run(request).await;
            front.settle(&upload, served)
        });
        served.await.expect("serving does not panic")
    }

    /// Of an upload that is gone nothing is left, whenever its last part has arrived.
    fn settle(&self, upload: &str, served: Response) -> Response {
        if self.root.join(format!(".upload-{upload}.json")).exists() {
            return served;
        }
        let part = format!(".upload_id-{upload}.part-");
        for entry in self.root.read_dir().into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&part) {
                // Another request may do the same at this moment.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        match served.status() {
            StatusCode::FORBIDDEN => error(404, "NoSuchUpload"),
            _ => served,
        }
    }
}

fn error(status: u16, code: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a test's doing</Message></Error>"
    );
    Response::builder()
        .status(status)
        .body(Body::from(body))
        .expect("a valid status")
}
