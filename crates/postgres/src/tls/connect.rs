//! The TLS handshake with a server.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::keys;
use super::settings::{TlsSettings, Verify};
use super::verifier::Verifier;

/// The result of a handshake.
#[derive(Debug)]
pub(crate) struct TlsInfo {
    /// Only our own rules accept the certificate: webpki, and so sqlx, refuses it.
    pub(crate) is_refused_by_webpki: bool,
    /// The channel binding data of SCRAM (`tls-server-end-point`), if the certificate has any.
    pub(crate) end_point: Option<Vec<u8>>,
}

/// Performs the handshake with the server `name`.
pub(crate) async fn connect(
    settings: &TlsSettings,
    name: &str,
    socket: TcpStream,
) -> io::Result<(TlsStream<TcpStream>, TlsInfo)> {
    let server = server_name(settings, name)?;
    let settings = settings.clone();
    let (config, verifier) = spawn_blocking(move || config(&settings)).await??;
    let connected = TlsConnector::from(Arc::new(config))
        .connect(server, socket)
        .await;
    let stream = connected.map_err(|error| in_words(name, error))?;
    let certificates = stream.get_ref().1.peer_certificates();
    let end_point = certificates
        .and_then(|certificates| certificates.first())
        .and_then(end_point);
    let info = TlsInfo {
        is_refused_by_webpki: verifier.is_refused_by_webpki(),
        end_point,
    };
    Ok((stream, info))
}

/// What a failed handshake means for an operator. The kind stays.
fn in_words(name: &str, error: io::Error) -> io::Error {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) else {
        return error;
    };
    let text = match inner {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => "the certificate of the server is signed by an unknown authority: set sslrootcert to the file of its authority".to_owned(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the certificate of the server is not valid for {name:?}: use a name that is in it, or sslmode=verify-ca")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate of the server has expired: renew it".to_owned()
            }
            _ => return error,
        },
        rustls::Error::InvalidMessage(_) => {
            "the server does not support TLS on this port: correct it, or use sslmode=disable in a trusted network".to_owned()
        }
        _ => return error,
    };
    io::Error::new(error.kind(), text)
}

fn server_name(settings: &TlsSettings, name: &str) -> io::Result<ServerName<'static>> {
    match ServerName::try_from(name.to_owned()) {
        Ok(name) => Ok(name),
        // The name is not verified, and rustls sends no IP address as SNI: any address will do.
        Err(_) if settings.verify() != Verify::AuthorityAndName => Ok(ServerName::IpAddress(
            IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
        )),
        Err(_) => Err(io::Error::other(format!(
            "{name:?} is not a name that a certificate can be valid for"
        ))),
    }
}

fn config(settings: &TlsSettings) -> io::Result<(ClientConfig, Arc<Verifier>)> {
    let provider = Arc::new(ring::default_provider());
    let verify = settings.verify();
    let roots = match verify {
        Verify::Nothing => Vec::new(),
        Verify::Authority | Verify::AuthorityAndName => settings.roots.read()?,
    };
    let verifier = Arc::new(Verifier::new(verify, roots, provider.clone()));
    let mut versions: Vec<&'static SupportedProtocolVersion> = Vec::new();
    if settings.versions.tls13 {
        versions.push(&TLS13);
    }
    if settings.versions.tls12 {
        versions.push(&TLS12);
    }
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone());
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let key = files.read(&provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
    };
    config.enable_sni = settings.sends_name;
    if settings.is_direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok((config, verifier))
}

/// `tls-server-end-point` of RFC 5929: the certificate, hashed by its signature's hash function.
fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = keys::parse(certificate).ok()?;
    let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
    Some(match algorithm.as_str() {
        // RSA and ECDSA with SHA-256. RFC 5929 replaces MD5 and SHA-1 by SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Sha256::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}
