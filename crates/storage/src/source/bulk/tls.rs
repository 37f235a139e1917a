//! TLS, where the URL says `sslmode=verify-full`: the server's name and certificate are checked
//! against the system's authorities and the one of `sslrootcert`, as sqlx does it.
//!
//! The lesser modes check less than a library does by itself, and certificates of our own have to be
//! shown: both are left to sqlx.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::login::fit_for_a_url;

/// What `sslrootcert` names.
enum Authority {
    File(String),
    Pem(String),
}

/// What connections to a server have to know.
pub(super) struct Tls {
    name: ServerName<'static>,
    authority: Option<Authority>,
}

impl Tls {
    /// `None` if the URL wants more than this.
    pub(super) fn of(options: &PgConnectOptions, host: &str) -> Option<Self> {
        let name = ServerName::try_from(host.to_owned()).ok()?;
        let mut authority = None;
        for (key, value) in fit_for_a_url(options).to_url_lossy().query_pairs() {
            match &*key {
                "sslrootcert" => authority = Some(Authority::of(&value)),
                "sslcert" | "sslkey" => return None,
                _ => {}
            }
        }
        Some(Self { name, authority })
    }

    /// Shakes hands.
    pub(super) async fn connect(self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let Self { name, authority } = self;
        let roots = spawn_blocking(move || roots(authority)).await??;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }
}

impl Authority {
    /// As sqlx shows it.
    fn of(shown: &str) -> Self {
        match shown.strip_prefix("file: ") {
            Some(path) => Self::File(path.to_owned()),
            None => Self::Pem(shown.to_owned()),
        }
    }

    fn read(self) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => std::fs::read(path),
            Self::Pem(text) => Ok(text.into_bytes()),
        }
    }
}

fn roots(authority: Option<Authority>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is one less to trust.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(authority) = authority {
        for certificate in CertificateDer::pem_slice_iter(&authority.read()?) {
            roots
                .add(certificate.map_err(io::Error::other)?)
                .map_err(io::Error::other)?;
        }
    }
    Ok(roots)
}
