//! What an address says about TLS.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::address::Environment;
use crate::error::UrlError;

/// What an address says about TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) roots: Roots,
    /// Certificate and key to show to the server.
    pub(crate) client: Option<ClientFiles>,
    pub(crate) versions: Versions,
    /// TLS from the first byte, as `PostgreSQL` 17 and proxies have it.
    pub(crate) is_direct: bool,
    pub(crate) sends_name: bool,
}

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Whose signatures are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// The address says nothing.
    Unset,
    /// `sslrootcert=system`.
    System,
    /// A file; `is_named` is false for `~/.postgresql/root.crt`.
    File { path: PathBuf, is_named: bool },
    /// Certificates in the address itself.
    Pem(String),
}

/// Files of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) tls12: bool,
    pub(crate) tls13: bool,
}

/// What is checked of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    Nothing,
    Authority,
    AuthorityAndName,
}

const MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

impl TlsSettings {
    pub(crate) fn of<'a>(
        given: impl Fn(&str) -> Option<&'a str>,
        environment: &Environment,
    ) -> Result<Self, UrlError> {
        let roots = roots(given("sslrootcert"), environment);
        let mode = match given("sslmode") {
            None if roots == Roots::System => SslMode::VerifyFull,
            None => SslMode::Prefer,
            Some(text) => MODES
                .iter()
                .find(|(name, _)| text.eq_ignore_ascii_case(name))
                .map(|(_, mode)| *mode)
                .ok_or_else(|| {
                    let names = MODES.map(|(name, _)| name).join(", ");
                    UrlError::Part(format!("sslmode: {text:?} is none of {names}"))
                })?,
        };
        if roots == Roots::System && mode != SslMode::VerifyFull {
            return Err(UrlError::Part(
                "sslrootcert=system needs sslmode=verify-full: anybody gets a certificate from a public authority"
                    .to_owned(),
            ));
        }
        let is_direct = match given("sslnegotiation") {
            None | Some("postgres") => false,
            Some("direct") if mode >= SslMode::Require => true,
            Some("direct") => {
                return Err(UrlError::Part(
                    "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full"
                        .to_owned(),
                ));
            }
            Some(other) => {
                return Err(UrlError::Part(format!(
                    "sslnegotiation: {other:?} is none of postgres, direct"
                )));
            }
        };
        Ok(Self {
            mode,
            roots,
            client: client(&given, environment)?,
            versions: Versions::of(
                given("ssl_min_protocol_version"),
                given("ssl_max_protocol_version"),
            )?,
            is_direct,
            sends_name: given("sslsni") != Some("0"),
        })
    }

    /// What is checked of a certificate; `prefer` and `require` check the authority where there is
    /// a file of authorities, as in libpq.
    pub(crate) fn verify(&self) -> Verify {
        match self.mode {
            SslMode::VerifyFull => Verify::AuthorityAndName,
            SslMode::VerifyCa => Verify::Authority,
            SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => {
                match &self.roots {
                    Roots::Pem(_) => Verify::Authority,
                    Roots::File { path, .. } if path.exists() => Verify::Authority,
                    _ => Verify::Nothing,
                }
            }
        }
    }
}

impl PartialOrd for SslMode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (*self as u8).partial_cmp(&(*other as u8))
    }
}

fn roots(given: Option<&str>, environment: &Environment) -> Roots {
    match given {
        Some("system") => Roots::System,
        Some(pem) if pem.trim_start().starts_with("-----BEGIN") => Roots::Pem(pem.to_owned()),
        Some(path) => Roots::File {
            path: PathBuf::from(path),
            is_named: true,
        },
        None => environment
            .home_file(".postgresql/root.crt")
            .map_or(Roots::Unset, |path| Roots::File {
                path,
                is_named: false,
            }),
    }
}

fn client<'a>(
    given: &impl Fn(&str) -> Option<&'a str>,
    environment: &Environment,
) -> Result<Option<ClientFiles>, UrlError> {
    match given("sslcertmode") {
        None | Some("allow") => {}
        Some("disable") => return Ok(None),
        Some(other) => {
            return Err(UrlError::Part(format!(
                "sslcertmode: {other:?} is none of disable, allow"
            )));
        }
    }
    let file = |name: &str, default: &str| {
        let given = given(name).map(PathBuf::from);
        given.or_else(|| environment.home_file(default))
    };
    let certificate = file("sslcert", ".postgresql/postgresql.crt");
    let key = file("sslkey", ".postgresql/postgresql.key");
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(ClientFiles { certificate, key })),
        (None, Some(_)) if given("sslkey").is_some() => Err(UrlError::Part(
            "sslkey is of no use without sslcert".to_owned(),
        )),
        (Some(certificate), None) if given("sslcert").is_some() => Err(UrlError::Part(format!(
            "sslcert={} is of no use without sslkey",
            certificate.display()
        ))),
        _ => Ok(None),
    }
}

impl Versions {
    fn of(min: Option<&str>, max: Option<&str>) -> Result<Self, UrlError> {
        let rank = |name: &str, text: &str| match text.to_ascii_lowercase().as_str() {
            "tlsv1" => Ok(10),
            "tlsv1.1" => Ok(11),
            "tlsv1.2" => Ok(12),
            "tlsv1.3" => Ok(13),
            _ => Err(UrlError::Part(format!(
                "{name}: {text:?} is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"
            ))),
        };
        let min = min.map_or(Ok(12), |text| rank("ssl_min_protocol_version", text))?;
        let max = max.map_or(Ok(13), |text| rank("ssl_max_protocol_version", text))?;
        let is_in = |version| (min..=max).contains(&version);
        let versions = Self {
            tls12: is_in(12),
            tls13: is_in(13),
        };
        if versions.tls12 || versions.tls13 {
            Ok(versions)
        } else {
            Err(UrlError::Part(
                "ssl_min_protocol_version and ssl_max_protocol_version leave neither TLSv1.2 nor TLSv1.3"
                    .to_owned(),
            ))
        }
    }

    pub(crate) fn are_all(self) -> bool {
        self.tls12 && self.tls13
    }
}

impl Roots {
    /// The certificates that are trusted. Blocks.
    pub(crate) fn read(&self) -> io::Result<Vec<CertificateDer<'static>>> {
        let (shown, pem) = match self {
            // One that cannot be read is one less to trust.
            Self::Unset | Self::System => {
                return Ok(rustls_native_certs::load_native_certs().certs);
            }
            Self::File { path, .. } => {
                (path.display().to_string(), read_file("sslrootcert", path)?)
            }
            Self::Pem(text) => ("the given text".to_owned(), text.clone().into_bytes()),
        };
        certificates("sslrootcert", &shown, &pem)
    }
}

pub(super) fn certificates(
    parameter: &str,
    shown: &str,
    pem: &[u8],
) -> io::Result<Vec<CertificateDer<'static>>> {
    let wrong = |reason: String| io::Error::other(format!("{parameter}={shown}: {reason}"));
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(certificates)
}

pub(super) fn read_file(parameter: &str, path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{parameter}={}: {error}", path.display()),
        )
    })
}
