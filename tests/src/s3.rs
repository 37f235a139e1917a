//! An S3 server for one test, with fault injection.
//!
//! The server is `s3s-fs` over a temporary folder, or Garage behind a proxy that forwards requests unchanged. Both take the same
//! faults. It runs in its own thread and runtime, so that tests without a runtime and other processes can use it.

mod faults;
mod front;
mod garage;
mod in_process;
mod listing;
pub mod policy;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use axum::Router;
use exports_sandbox::garage::{ACCESS_KEY, BUCKET, SECRET_KEY};
use tokio::sync::oneshot;

pub use faults::{Fault, Injected, Kind, Reply, Seen};

use faults::Faults;
use garage::Garage;
use in_process::InProcess;

/// A running server with one bucket. The drop stops it and removes its data.
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
    Garage(Box<Garage>),
}

impl S3Server {
    /// Whether this machine has Garage. Without it, one line on standard error per process says so, or this panics if
    /// `CI=true`.
    #[must_use]
    pub fn has_garage() -> bool {
        garage::is_installed()
    }

    /// Starts `s3s-fs` in this process, on a free port of 127.0.0.1.
    #[must_use]
    pub fn in_process() -> Self {
        Self::in_process_at(Ipv4Addr::LOCALHOST.into())
    }

    /// The same, at another address of this machine that containers can reach.
    #[must_use]
    pub fn in_process_at(address: IpAddr) -> Self {
        Self::start(Backend::InProcess(InProcess::start()), address)
    }

    /// Starts Garage behind a free port of 127.0.0.1. `None` if it is not installed: see
    /// [`has_garage`](Self::has_garage).
    #[must_use]
    pub fn garage() -> Option<Self> {
        let address = Ipv4Addr::LOCALHOST.into();
        garage::is_installed()
            .then(|| Self::start(Backend::Garage(Box::new(Garage::start())), address))
    }

    /// Also installs the crypto provider of rustls, which every client needs.
    fn start(backend: Backend, address: IpAddr) -> Self {
        // An error means that a provider is already installed.
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

    /// Whether the server is Garage.
    #[must_use]
    pub fn is_garage(&self) -> bool {
        matches!(self.backend, Backend::Garage(_))
    }

    /// The server's address, `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same server under another name, `http://localhost:port`. A link signed for one name is not valid at the other.
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

    /// The variables with which the services reach the server.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        exports_sandbox::garage::environment(&self.endpoint())
    }

    /// The keys of all objects, and the names of data that unfinished uploads have stored. Sorted.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        let mut found = match &self.backend {
            Backend::InProcess(files) => files.objects(),
            Backend::Garage(garage) => garage.objects(),
        };
        found.sort();
        found
    }

    /// The number of uploads that are neither completed nor aborted.
    #[must_use]
    pub fn uploads(&self) -> usize {
        match &self.backend {
            Backend::InProcess(files) => files.uploads(),
            Backend::Garage(garage) => garage.uploads().len(),
        }
    }

    /// Requests that `when` selects get this fault until the returned guard is dropped. The oldest of several faults applies.
    pub fn inject(
        &self,
        when: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) -> Injected {
        self.faults.inject(when, fault)
    }

    /// The number of reads that are being served, until their responses are sent.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.faults.count_under_way()
    }

    /// The number of bytes of objects that were sent.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.faults.bytes_sent()
    }

    /// The most requests of this kind that were served at the same time: from the arrival of their head to their response.
    #[must_use]
    pub fn most_at_once(&self, kind: Kind) -> usize {
        self.faults.most_at_once(kind)
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of requests of this kind that have arrived, with or without a response.
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
            served = axum::serve(listener, app) => served.expect("the server does not fail"),
            _ = stopped => {}
        }
    });
    // A drop of the runtime would wait for a file that is being read.
    runtime.shutdown_background();
}
