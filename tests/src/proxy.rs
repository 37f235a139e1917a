//! A TCP proxy between a service and what it depends on, with hands on its connections.
//!
//! It knows one thing of the protocols that go through it: when a reply of PostgreSQL is over.
//! It lives on the runtime of the test that made it and ends with it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

mod relay;

/// What gets lost, and when: once, at the first request that `when` picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The request never arrives; its connection is cut.
    Request,
    /// The request is carried out; its reply is swallowed and the connection is cut.
    Reply,
}

/// The proxy. Dropping it closes everything.
pub struct Proxy {
    address: SocketAddr,
    controls: Arc<Controls>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Clone)]
enum Target {
    Tcp(String),
    Socket(String),
}

struct Controls {
    /// Where new connections lead.
    target: Mutex<Target>,
    /// Counts the silences: a connection that is older than the last one is dead.
    silences: watch::Sender<u64>,
    /// Counts the cuts: a connection ends when it changes.
    cuts: watch::Sender<u64>,
    held: watch::Sender<bool>,
    /// How many bytes of replies may still pass before everything is held.
    allowance: Mutex<Option<usize>>,
    refusing: watch::Sender<bool>,
    latency: watch::Sender<Duration>,
    losses: Mutex<VecDeque<Rule>>,
    lost: watch::Sender<u64>,
}

type Pick = Box<dyn Fn(&[u8]) -> bool + Send>;

struct Rule {
    loss: Loss,
    when: Pick,
}

impl Proxy {
    /// A proxy to `host:port`.
    pub async fn to(address: &str) -> Self {
        Self::to_at(address, Ipv4Addr::LOCALHOST.into()).await
    }

    /// The same, listening at another address of this machine: where containers reach it.
    pub async fn to_at(address: &str, listen: IpAddr) -> Self {
        Self::start(Target::Tcp(address.to_owned()), listen).await
    }

    /// A proxy to the server of a `postgres://` URL; [`Self::url`] rewrites that URL.
    pub async fn to_postgres(url: &str) -> Self {
        Self::start(Target::postgres(url), Ipv4Addr::LOCALHOST.into()).await
    }

    async fn start(target: Target, listen: IpAddr) -> Self {
        let listener = TcpListener::bind((listen, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let controls = Arc::new(Controls {
            target: Mutex::new(target),
            silences: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
            held: watch::Sender::new(false),
            allowance: Mutex::default(),
            refusing: watch::Sender::new(false),
            latency: watch::Sender::new(Duration::ZERO),
            losses: Mutex::default(),
            lost: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(relay::accept(listener, Arc::clone(&controls)));
        Self {
            address,
            controls,
            _tasks: tasks,
        }
    }

    /// New connections lead to the server of this URL from now on; those that there are stay. A
    /// database's address after a failover.
    pub fn lead_to(&self, url: &str) {
        *self.controls.target() = Target::postgres(url);
    }

    /// Every connection that there is dies silently: nothing passes any more, and neither side learns
    /// of it. New ones are served.
    pub fn silence(&self) {
        self.controls
            .silences
            .send_modify(|silences| *silences += 1);
    }

    /// Where it listens, `127.0.0.1:port` unless told otherwise.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A database's URL, through the proxy. TLS is off: the proxy has no certificate, and reads.
    #[must_use]
    pub fn url(&self, database_url: &str) -> String {
        let mut url: Url = database_url.parse().expect("a URL");
        let kept: Vec<_> = url
            .query_pairs()
            .filter(|(name, _)| !matches!(&**name, "host" | "hostaddr" | "port" | "sslmode"))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut()
            .clear()
            .extend_pairs(kept)
            .append_pair("sslmode", "disable");
        url.set_ip_host(self.address.ip())
            .expect("a URL with a host");
        url.set_port(Some(self.address.port()))
            .expect("a URL with a port");
        url.into()
    }

    /// Cuts every connection that there is. New ones are served.
    pub fn cut(&self) {
        self.controls.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on, new connections are closed as soon as they are made.
    pub fn refuse(&self) {
        self.controls.refusing.send_replace(true);
    }

    /// The target is gone, as far as anybody can see: [`refuse`](Self::refuse) and [`cut`](Self::cut).
    pub fn take_away(&self) {
        self.refuse();
        self.cut();
    }

    /// From now on, what is sent in either direction waits, and so do new connections.
    pub fn hold(&self) {
        self.controls.held.send_replace(true);
    }

    /// [`hold`](Self::hold), once about so many bytes of replies, over all connections, have come from now on.
    pub fn hold_after(&self, bytes: usize) {
        *self.controls.allowance() = Some(bytes);
    }

    /// Waits until it holds.
    pub async fn held(&self) {
        let mut held = self.controls.held.subscribe();
        let held = held.wait_for(|held| *held).await;
        held.expect("the proxy has the sender");
    }

    /// From now on, what is sent in either direction takes this long: a distant target, whose
    /// answers can be waited for.
    pub fn slow_down(&self, latency: Duration) {
        self.controls.latency.send_replace(latency);
    }

    /// Everything works again, at full speed; what was held goes on.
    pub fn restore(&self) {
        self.controls.latency.send_replace(Duration::ZERO);
        *self.controls.allowance() = None;
        self.controls.refusing.send_replace(false);
        self.controls.held.send_replace(false);
    }

    /// Loses the first request, or its reply, whose bytes `when` picks. `when` sees the last few
    /// kilobytes that one connection has sent. Several losses happen one after the other.
    pub fn lose(&self, loss: Loss, when: impl Fn(&[u8]) -> bool + Send + 'static) {
        self.controls.losses().push_back(Rule {
            loss,
            when: Box::new(when),
        });
    }

    /// The same, for requests that contain `marker`. In PostgreSQL's protocol a statement's text
    /// is sent before its parameters and apart from them: to lose the answer of a statement that
    /// was carried out, choose a marker among its parameters.
    pub fn lose_at(&self, loss: Loss, marker: impl Into<Vec<u8>>) {
        let marker = marker.into();
        self.lose(loss, move |bytes| {
            bytes.windows(marker.len()).any(|window| window == marker)
        });
    }

    /// How many requests or replies were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        *self.controls.lost.borrow()
    }

    /// Where it leads, for messages.
    #[must_use]
    pub fn target(&self) -> String {
        match &*self.controls.target() {
            Target::Tcp(address) | Target::Socket(address) => address.clone(),
        }
    }
}

impl Target {
    fn postgres(url: &str) -> Self {
        let parsed: Url = url.parse().expect("a URL");
        let socket = parsed
            .query_pairs()
            .find(|(name, value)| name == "host" && value.starts_with('/'));
        let port = parsed.port().unwrap_or(5432);
        match (socket, parsed.host_str()) {
            (Some((_, folder)), _) => Self::Socket(format!("{folder}/.s.PGSQL.{port}")),
            (None, host) => Self::Tcp(format!("{}:{port}", host.unwrap_or("127.0.0.1"))),
        }
    }
}

impl Controls {
    fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn losses(&self) -> MutexGuard<'_, VecDeque<Rule>> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowance(&self) -> MutexGuard<'_, Option<usize>> {
        self.allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to hold where the allowance ends.
    fn count(&self, bytes: usize) {
        let mut allowance = self.allowance();
        match *allowance {
            Some(left) if left <= bytes => {
                *allowance = None;
                self.held.send_replace(true);
            }
            Some(left) => *allowance = Some(left - bytes),
            None => {}
        }
    }

    /// What these bytes are to lose, if anything.
    fn meet(&self, bytes: &[u8]) -> Option<Loss> {
        let mut losses = self.losses();
        if losses.front().is_some_and(|rule| (rule.when)(bytes)) {
            return losses.pop_front().map(|rule| rule.loss);
        }
        None
    }

    async fn pass(&self) {
        let mut held = self.held.subscribe();
        // The sender lives as long as `self`.
        let _ = held.wait_for(|held| !held).await;
        let latency = *self.latency.borrow();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }
}
