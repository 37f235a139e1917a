//! The HTTP clients of webhooks, and which addresses they connect to.
//!
//! A name is resolved when a connection is opened, and only permitted addresses are passed on to it. So the
//! rule holds for the address that is connected to, also if the name had another one when the webhook was
//! created. An address in a URL is not resolved: [`WebhookTarget`] checks it before each attempt.
//!
//! [`WebhookTarget`]: exports_service::webhooks::WebhookTarget

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use exports_service::webhooks::WebhookNetworks;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Proxy};
use url::Url;

/// The whole attempt, from the lookup of the name to the end of the response.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);
/// Within [`TIMEOUT`], so that an unreachable address leaves time for the next one of the name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// Receivers often close idle connections after a minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The clients could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the client of webhooks cannot be built")]
pub(crate) struct ConnectorError(#[from] reqwest::Error);

/// No address of the name is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "every address of the host is loopback, private, link-local, multicast or otherwise special"
)]
pub(super) struct ForbiddenAddress;

/// The clients for encrypted and plain deliveries. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    encrypted: Client,
    /// It connects only to networks that the operator allows.
    plain: Client,
}

impl Clients {
    /// With a proxy, only the proxy is connected to, and it must check the addresses of names.
    pub(crate) fn new(
        networks: &WebhookNetworks,
        proxy: Option<&Url>,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            encrypted: client(networks, proxy, Rule::Permitted)?,
            plain: client(networks, proxy, Rule::Allowed)?,
        })
    }

    pub(super) fn of(&self, is_plain: bool) -> &Client {
        if is_plain {
            &self.plain
        } else {
            &self.encrypted
        }
    }
}

fn client(
    networks: &WebhookNetworks,
    proxy: Option<&Url>,
    rule: Rule,
) -> Result<Client, reqwest::Error> {
    let builder = match proxy {
        None => builder().dns_resolver(Arc::new(Resolver {
            networks: networks.clone(),
            rule,
            lookup: Lookup::System,
        })),
        Some(proxy) => builder().proxy(Proxy::all(proxy.clone())?),
    };
    builder.build()
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        // Without the proxies of the environment.
        .no_proxy()
        .http1_only()
        .user_agent(concat!("exports-webhooks/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(1)
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Public addresses and allowed networks.
    Permitted,
    /// Only allowed networks.
    Allowed,
}

/// The addresses of each name, in tests.
#[cfg(test)]
type Table = dyn Fn(&str) -> Vec<std::net::IpAddr> + Send + Sync;

/// Where names are looked up.
#[derive(Clone)]
enum Lookup {
    System,
    #[cfg(test)]
    Table(Arc<Table>),
}

impl Lookup {
    /// The addresses of a name. The port is 0: the client sets it.
    async fn find(&self, name: &str) -> std::io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => tokio::net::lookup_host((name, 0))
                .await
                .map(Iterator::collect),
            #[cfg(test)]
            Self::Table(table) => {
                let addresses = table(name).into_iter();
                Ok(addresses
                    .map(|address| SocketAddr::new(address, 0))
                    .collect())
            }
        }
    }
}

#[derive(Clone)]
struct Resolver {
    networks: WebhookNetworks,
    rule: Rule,
    lookup: Lookup,
}

impl Resolver {
    async fn permitted(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut addresses = self.lookup.find(name).await?;
        addresses.retain(|address| match self.rule {
            Rule::Permitted => self.networks.permits(address.ip()),
            Rule::Allowed => self.networks.is_allowed(address.ip()),
        });
        if addresses.is_empty() {
            return Err(ForbiddenAddress.into());
        }
        Ok(addresses)
    }
}

type ResolveError = Box<dyn std::error::Error + Send + Sync>;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        // The lookup outlives this call.
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.permitted(name.as_str()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use exports_domain::error_line;
    use tokio::net::TcpListener;

    use super::*;

    fn client_with(networks: &str, rule: Rule, table: Arc<Table>) -> Client {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let networks = match networks {
            "" => WebhookNetworks::default(),
            networks => WebhookNetworks::new(networks.parse().unwrap()),
        };
        let lookup = Lookup::Table(table);
        let resolver = Resolver {
            networks,
            rule,
            lookup,
        };
        builder().dns_resolver(Arc::new(resolver)).build().unwrap()
    }

    fn to(addresses: &'static [&'static str]) -> Arc<Table> {
        Arc::new(|_| addresses.iter().map(|it| it.parse().unwrap()).collect())
    }

    async fn refusal(client: &Client, url: &str) -> String {
        error_line(&client.post(url).send().await.unwrap_err())
    }

    /// A listener that must not be connected to, and its port.
    async fn trap() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    async fn assert_untouched(trap: TcpListener) {
        let accepted = tokio::time::timeout(Duration::from_millis(50), trap.accept()).await;
        assert!(accepted.is_err(), "a forbidden address was connected to");
    }

    #[tokio::test]
    async fn a_name_with_only_forbidden_addresses_is_not_connected_to() {
        let (trap, port) = trap().await;
        for addresses in [
            &["127.0.0.1"][..],
            &["::ffff:127.0.0.1", "::1"],
            &["0.0.0.0"],
            &[],
        ] {
            let client = client_with("", Rule::Permitted, to(addresses));
            let error = refusal(&client, &format!("http://receiver.example:{port}/")).await;
            assert!(error.contains("every address of the host"), "{error}");
        }
        assert_untouched(trap).await;
    }

    /// The check of the first lookup does not count for the second one.
    #[tokio::test]
    async fn a_name_that_changes_its_address_is_checked_at_each_connection() {
        let (trap, port) = trap().await;
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lookups);
        let table: Arc<Table> = Arc::new(move |_| {
            let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            // The first is in the allowed network, and nothing listens there.
            vec![
                if first { "127.8.8.8" } else { "127.0.0.1" }
                    .parse()
                    .unwrap(),
            ]
        });
        let client = client_with("127.8.0.0/16", Rule::Permitted, table);
        let url = format!("http://receiver.example:{port}/");
        let error = refusal(&client, &url).await;
        assert!(!error.contains("every address of the host"), "{error}");
        let error = refusal(&client, &url).await;
        assert!(error.contains("every address of the host"), "{error}");
        assert_eq!(lookups.load(Ordering::Relaxed), 2);
        assert_untouched(trap).await;
    }

    #[tokio::test]
    async fn a_plain_delivery_goes_only_to_allowed_networks() {
        let (trap, port) = trap().await;
        let url = format!("http://receiver.example:{port}/");
        let client = client_with("127.0.0.1", Rule::Allowed, to(&["8.8.8.8"]));
        assert!(
            refusal(&client, &url)
                .await
                .contains("every address of the host")
        );
        let client = client_with("127.0.0.1", Rule::Allowed, to(&["8.8.8.8", "127.0.0.1"]));
        let (sent, accepted) = tokio::join!(
            tokio::time::timeout(Duration::from_millis(500), client.post(&url).send()),
            trap.accept()
        );
        assert!(sent.is_err(), "the trap does not answer");
        accepted.unwrap();
    }
}
