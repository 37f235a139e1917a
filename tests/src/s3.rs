//! An S3 server of the test's own, with a hand on its requests.
//!
//! Owns the address that programs and consumers talk to, and which server answers there: `s3s-fs` over a temporary folder,
//! or a real Garage behind a proxy that changes nothing. The faults that a test puts in front of it are the same for both. It
//! runs in a thread and runtime of its own, so that tests without one and other processes can use it.

mod faults;
mod front;
mod garage;
mod in_process;
mod listing;
pub mod policy;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use axum::Router;
use tokio::sync::oneshot;

pub use faults::{Fault, Injected, Kind, Reply, Seen};

use faults::Faults;
use garage::Garage;
use in_process::InProcess;

const BUCKET: &str = "exports";
const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "test-access-key";
const SECRET_KEY: &str = "test-secret-access-key";

/// A running server with one bucket. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    backend: Backend,
    faults: Faults,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Backend {
    InProcess(InProcess),
    Garage(Garage),
}

impl S3Server {
    /// Whether [`garage`](Self::garage) gives one. Where it does not, a line on standard error says so, once per process.
    /// With `CI=true` that is a panic.
    #[must_use]
    pub fn has_garage() -> bool {
        garage::program().is_some()
    }

    /// Starts `s3s-fs` in this process, on a free port of 127.0.0.1.
    #[must_use]
    pub fn in_process() -> Self {
        Self::in_process_at(Ipv4Addr::LOCALHOST.into())
    }

    /// The same, at another address of this machine: where containers reach it.
    #[must_use]
    pub fn in_process_at(address: IpAddr) -> Self {
        Self::start(Backend::InProcess(InProcess::start()), address)
    }

    /// Starts a Garage that ends with this process, in front of it a free port of 127.0.0.1. `None` on a machine that has
    /// no such program: see [`has_garage`](Self::has_garage).
    #[must_use]
    pub fn garage() -> Option<Self> {
        let garage = Garage::start(garage::program()?);
        Some(Self::start(
            Backend::Garage(garage),
            Ipv4Addr::LOCALHOST.into(),
        ))
    }

    /// Also installs rustls' crypto provider, which every client needs.
    fn start(backend: Backend, address: IpAddr) -> Self {
        // An error only means that another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let faults = Faults::default();
        let app = front::before(backend.router(), faults.clone());

        let listener = TcpListener::bind((address, 0)).expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a listener for tokio");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve(listener, app, stopped));
        Self {
            address,
            backend,
            faults,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Whether a real Garage answers.
    #[must_use]
    pub fn is_garage(&self) -> bool {
        matches!(self.backend, Backend::Garage(_))
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
            ("AWS_REGION", REGION),
            ("AWS_ALLOW_HTTP", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Everything that lies in the bucket: the keys of its objects, and the remains of uploads that were neither completed
    /// nor aborted, whose names do not end as keys do. Sorted.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        let mut found = match &self.backend {
            Backend::InProcess(files) => files.objects(),
            Backend::Garage(garage) => garage.objects(),
        };
        found.sort();
        found
    }

    /// How many uploads have begun and were neither completed nor aborted.
    #[must_use]
    pub fn uploads(&self) -> usize {
        match &self.backend {
            Backend::InProcess(files) => files.uploads(),
            Backend::Garage(garage) => garage.uploads().len(),
        }
    }

    /// From now on, as long as the answer lives, requests that `when` picks meet this fault. Of several, the oldest counts.
    pub fn inject(
        &self,
        when: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) -> Injected {
        self.faults.inject(when, fault)
    }

    /// How many reads are being served, the sending of their answers included.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.faults.count_under_way()
    }

    /// How many bytes of objects were sent.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.faults.bytes_sent()
    }

    /// How many requests of this kind have come, answered or not.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.faults.count(kind)
    }
}

impl Backend {
    fn router(&self) -> Router {
        match self {
            Self::InProcess(files) => files.router(),
            Self::Garage(garage) => garage.router(),
        }
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
