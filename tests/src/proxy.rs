//! A TCP proxy between a service and a dependency, for network faults.
//!
//! Of the protocols it knows only the end of a PostgreSQL reply. It runs on the runtime of its test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

mod controls;
mod relay;

use controls::{Controls, Rule};

/// Which side of an exchange is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The request does not arrive; its connection is closed.
    Request,
    /// The request is executed; its reply is dropped and the connection is closed.
    Reply,
    /// The request is executed; its reply and all later ones are dropped, and the connection stays open.
    Silence,
}

/// The proxy. The drop closes all connections.
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

impl Proxy {
    /// A proxy to `host:port`.
    pub async fn to(address: &str) -> Self {
        Self::to_at(address, Ipv4Addr::LOCALHOST.into()).await
    }

    /// The same, on an address of this machine that containers can reach.
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
        let controls = Arc::new(Controls::new(target));
        let mut tasks = JoinSet::new();
        tasks.spawn(relay::accept(listener, Arc::clone(&controls)));
        Self {
            address,
            controls,
            _tasks: tasks,
        }
    }

    /// Connects new connections to the server of this URL, like an address after a failover. Existing connections stay.
    pub fn redirect_to(&self, url: &str) {
        *self.controls.target() = Target::postgres(url);
    }

    /// Drops all bytes of the existing connections and does not close them, like a network partition. New connections work.
    pub fn blackhole(&self) {
        self.controls.blackholes.send_modify(|count| *count += 1);
    }

    /// Where it listens, by default `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A database's URL through the proxy, without TLS, because the proxy reads the bytes.
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

    /// Closes the existing connections. New connections work.
    pub fn cut(&self) {
        self.controls.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes new connections at once.
    pub fn refuse(&self) {
        self.controls.refusing.send_replace(true);
    }

    /// Makes the target unavailable: [`refuse`](Self::refuse) and [`cut`](Self::cut).
    pub fn make_unavailable(&self) {
        self.refuse();
        self.cut();
    }

    /// Holds the bytes in both directions, and new connections.
    pub fn hold(&self) {
        self.controls.held.send_replace(true);
    }

    /// [`hold`](Self::hold) after about this many bytes of replies over all connections.
    pub fn hold_after(&self, bytes: usize) {
        *self.controls.allowance() = Some(bytes);
    }

    /// Waits until it holds.
    pub async fn held(&self) {
        let mut held = self.controls.held.subscribe();
        let held = held.wait_for(|held| *held).await;
        held.expect("the proxy has the sender");
    }

    /// Delays the bytes in both directions, like a distant target.
    pub fn slow_down(&self, latency: Duration) {
        self.controls.latency.send_replace(latency);
    }

    /// Ends all faults, and releases the held bytes.
    pub fn restore(&self) {
        self.controls.latency.send_replace(Duration::ZERO);
        *self.controls.allowance() = None;
        self.controls.refusing.send_replace(false);
        self.controls.held.send_replace(false);
    }

    /// Loses the first request that `when` selects, or its reply. `when` gets the last few kilobytes of one connection. Several
    /// losses apply one after the other.
    pub fn lose(&self, loss: Loss, when: impl Fn(&[u8]) -> bool + Send + 'static) {
        self.controls.losses().push_back(Rule {
            loss,
            when: Box::new(when),
        });
    }

    /// The same, for requests that contain `marker`. PostgreSQL's protocol sends the text of a statement before its parameters: to
    /// lose the reply of an executed statement, use a marker in its parameters.
    pub fn lose_at(&self, loss: Loss, marker: impl Into<Vec<u8>>) {
        let marker = marker.into();
        self.lose(loss, move |bytes| {
            bytes.windows(marker.len()).any(|window| window == marker)
        });
    }

    /// The number of lost requests and replies.
    #[must_use]
    pub fn lost(&self) -> u64 {
        *self.controls.lost.borrow()
    }

    /// Its target, for messages.
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
