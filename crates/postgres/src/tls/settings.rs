//! The TLS parameters of an address.

use std::path::PathBuf;

use crate::address::not_one_of;
use crate::error::UrlError;

/// The TLS parameters of an address.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) roots: Roots,
    /// The client certificate.
    pub(crate) client: Option<ClientFiles>,
    pub(crate) versions: Versions,
    /// `sslnegotiation=direct`: TLS from the first byte.
    pub(crate) is_direct: bool,
    /// `sslsni`: whether the handshake names the server.
    pub(crate) sends_name: bool,
}

/// `sslmode`, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `sslrootcert`: which authorities are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// The address does not say.
    Unset,
    /// `sslrootcert=system`.
    System,
    /// A file.
    File(PathBuf),
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

/// What is verified of a server certificate.
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
    /// Parses the parameters. `home_file` returns the path of a file in the home directory, if it
    /// exists.
    pub(crate) fn of<'a>(
        given: impl Fn(&str) -> Option<&'a str>,
        home_file: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, UrlError> {
        let roots = roots(given("sslrootcert"), &home_file);
        let mode = match given("sslmode") {
            None if roots == Roots::System => SslMode::VerifyFull,
            None => SslMode::Prefer,
            Some(text) => SslMode::parse(text)?,
        };
        if roots == Roots::System && mode != SslMode::VerifyFull {
            return Err(invalid(
                "sslrootcert=system needs sslmode=verify-full: anybody can get a certificate from a public authority",
            ));
        }
        Ok(Self {
            mode,
            roots,
            client: client(&given, home_file)?,
            versions: Versions::of(
                given("ssl_min_protocol_version"),
                given("ssl_max_protocol_version"),
            )?,
            is_direct: is_direct(given("sslnegotiation"), mode)?,
            sends_name: given("sslsni") != Some("0"),
        })
    }

    /// Reads the files that the first handshake will need, so that a wrong path is reported before it.
    pub(crate) fn check_files(&self) -> Result<(), UrlError> {
        if self.mode >= SslMode::VerifyCa && matches!(self.roots, Roots::File(_)) {
            let read = self.roots.read();
            read.map_err(|error| invalid(error.to_string()))?;
        }
        match &self.client {
            Some(client) if self.mode >= SslMode::Require => client.check(),
            _ => Ok(()),
        }
    }

    /// What is verified of a server certificate. As in libpq, `prefer` and `require` verify the
    /// authority if a file of authorities exists.
    pub(crate) fn verify(&self) -> Verify {
        match self.mode {
            SslMode::VerifyFull => Verify::AuthorityAndName,
            SslMode::VerifyCa => Verify::Authority,
            SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => {
                match &self.roots {
                    Roots::Pem(_) => Verify::Authority,
                    Roots::File(path) if path.exists() => Verify::Authority,
                    _ => Verify::Nothing,
                }
            }
        }
    }
}

impl SslMode {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let found = MODES
            .iter()
            .find(|(name, _)| text.eq_ignore_ascii_case(name));
        found
            .map(|(_, mode)| *mode)
            .ok_or_else(|| not_one_of("sslmode", text, &MODES.map(|(name, _)| name)))
    }
}

fn is_direct(negotiation: Option<&str>, mode: SslMode) -> Result<bool, UrlError> {
    match negotiation {
        None | Some("postgres") => Ok(false),
        Some("direct") if mode >= SslMode::Require => Ok(true),
        Some("direct") => Err(invalid(
            "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full",
        )),
        Some(other) => Err(not_one_of("sslnegotiation", other, &["postgres", "direct"])),
    }
}

fn roots(given: Option<&str>, home_file: impl Fn(&str) -> Option<PathBuf>) -> Roots {
    match given {
        Some("system") => Roots::System,
        Some(pem) if pem.trim_start().starts_with("-----BEGIN") => Roots::Pem(pem.to_owned()),
        Some(path) => Roots::File(PathBuf::from(path)),
        None => home_file(".postgresql/root.crt").map_or(Roots::Unset, Roots::File),
    }
}

fn client<'a>(
    given: &impl Fn(&str) -> Option<&'a str>,
    home_file: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Option<ClientFiles>, UrlError> {
    match given("sslcertmode") {
        None | Some("allow") => {}
        Some("disable") => return Ok(None),
        Some(other) => {
            return Err(not_one_of("sslcertmode", other, &["disable", "allow"]));
        }
    }
    let file = |name: &str, default: &str| {
        let given = given(name).map(PathBuf::from);
        given.or_else(|| home_file(default))
    };
    let certificate = file("sslcert", ".postgresql/postgresql.crt");
    let key = file("sslkey", ".postgresql/postgresql.key");
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(ClientFiles { certificate, key })),
        (None, Some(_)) if given("sslkey").is_some() => Err(invalid("sslkey needs sslcert")),
        (Some(certificate), None) if given("sslcert").is_some() => Err(invalid(format!(
            "sslcert={} needs sslkey",
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
            _ => Err(not_one_of(
                name,
                text,
                &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
            )),
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
            Err(invalid(
                "ssl_min_protocol_version and ssl_max_protocol_version allow neither TLSv1.2 nor TLSv1.3",
            ))
        }
    }

    pub(crate) fn are_all(self) -> bool {
        self.tls12 && self.tls13
    }
}

fn invalid(text: impl Into<String>) -> UrlError {
    UrlError::Part(text.into())
}
