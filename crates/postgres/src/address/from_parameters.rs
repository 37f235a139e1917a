//! Puts an address together from its parameters, and says which value is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::Environment;
use super::passfile::PasswordFile;
use super::parameters::{Parameters, part};
use super::{Address, ChannelBindingMode, Endpoint, Host, Password, RequiredAuth, TargetSession};
use crate::error::UrlError;
use crate::tls::TlsSettings;

const DEFAULT_PORT: u16 = 5432;

pub(super) fn address(given: &Parameters, environment: &Environment) -> Result<Address, UrlError> {
    refuse_unsupported(given)?;
    let user = given.get("user").unwrap_or(&environment.user).to_owned();
    let database = given.get("dbname").map(str::to_owned);
    let mut hosts = hosts(given)?;
    let passfile = passfile(given, environment);
    for host in &mut hosts {
        let password = match given.get("password") {
            Some(password) => Some(password),
            None => passfile.password([
                passfile_host(host),
                &host.port.to_string(),
                database.as_deref().unwrap_or(&user),
                &user,
            ]),
        };
        host.password = password.map(|password| Password(password.to_owned()));
    }
    let timeout = number::<i64>(given, "connect_timeout")?;
    let application_name = given
        .get("application_name")
        .or_else(|| given.get("fallback_application_name"));
    Ok(Address {
        hosts,
        shuffle: one_of(
            given,
            "load_balance_hosts",
            &[("disable", false), ("random", true)],
        )?
        .unwrap_or_default(),
        user,
        database,
        application_name: application_name.map(str::to_owned),
        options: given.get("options").map(str::to_owned),
        tls: TlsSettings::of(|name| given.get(name), environment)?,
        target: one_of(given, "target_session_attrs", &TARGETS)?.unwrap_or_default(),
        // 0 and less are no limit in libpq.
        connect_timeout: timeout
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        required_auth: required_auth(given)?,
        channel_binding: one_of(given, "channel_binding", &BINDINGS)?.unwrap_or_default(),
        statement_cache: number(given, "statement-cache-capacity")?,
        passfile_problem: passfile.problem,
    })
}

const TARGETS: [(&str, TargetSession); 6] = [
    ("any", TargetSession::Any),
    ("read-write", TargetSession::ReadWrite),
    ("read-only", TargetSession::ReadOnly),
    ("primary", TargetSession::Primary),
    ("standby", TargetSession::Standby),
    ("prefer-standby", TargetSession::PreferStandby),
];

const BINDINGS: [(&str, ChannelBindingMode); 3] = [
    ("disable", ChannelBindingMode::Disable),
    ("prefer", ChannelBindingMode::Prefer),
    ("require", ChannelBindingMode::Require),
];

const AUTH_METHODS: [&str; 7] = [
    "password",
    "md5",
    "gss",
    "sspi",
    "scram-sha-256",
    "oauth",
    "none",
];

/// What would be less secure, or not work, if it were ignored.
fn refuse_unsupported(given: &Parameters) -> Result<(), UrlError> {
    for (name, unsupported) in [("gssencmode", "require"), ("sslcertmode", "require")] {
        if given.get(name) == Some(unsupported) {
            return Err(part(format!("{name}={unsupported} is not supported")));
        }
    }
    for name in ["sslcrl", "sslcrldir"] {
        if given.get(name).is_some() {
            return Err(part(format!(
                "{name} is not supported: certificates cannot be checked for revocation"
            )));
        }
    }
    match given.get("replication") {
        None | Some("false" | "off" | "no" | "0") => Ok(()),
        Some(_) => Err(part("replication is not supported")),
    }
}

fn hosts(given: &Parameters) -> Result<Vec<Host>, UrlError> {
    let list = |name: &str| -> Vec<&str> {
        let values = given.get(name).map(|value| value.split(',').collect());
        values.unwrap_or_default()
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = names.len().max(addresses.len()).max(1);
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(part(format!(
            "{} in host for {} in hostaddr",
            names.len(),
            addresses.len()
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(part(format!("{} ports for {count} hosts", ports.len())));
    }
    let at = |values: &[&str], index: usize| -> String {
        let value = match values {
            [one] => one,
            values => values.get(index).copied().unwrap_or_default(),
        };
        value.trim().to_owned()
    };
    (0..count)
        .map(|index| {
            let name = names.get(index).copied().unwrap_or_default();
            let address = addresses.get(index).copied().unwrap_or_default();
            host(
                unbracketed(name.trim()),
                address.trim(),
                port(&at(&ports, index))?,
            )
        })
        .collect()
}

fn host(name: &str, address: &str, port: u16) -> Result<Host, UrlError> {
    let is_folder = name.starts_with('/') || name.starts_with('@');
    let (name, endpoint) = if !address.is_empty() {
        if address.parse::<std::net::IpAddr>().is_err() {
            return Err(part(format!("hostaddr: {address:?} is not an IP address")));
        }
        let name = if name.is_empty() { address } else { name };
        (name.to_owned(), Endpoint::Tcp(address.to_owned()))
    } else if is_folder {
        (name.to_owned(), Endpoint::Unix(PathBuf::from(name)))
    } else if name.is_empty() {
        default_host(port)
    } else if name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '\\')) {
        return Err(part(format!(
            "{:?} is not the name of a host; encode reserved characters of user and password",
            name.rsplit(['@', '/']).next().unwrap_or_default()
        )));
    } else {
        (name.to_owned(), Endpoint::Tcp(name.to_owned()))
    };
    Ok(Host {
        name,
        endpoint,
        port,
        password: None,
    })
}

fn unbracketed(name: &str) -> &str {
    name.strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name)
}

/// The socket of this machine's server, where there is one, else `localhost`.
fn default_host(port: u16) -> (String, Endpoint) {
    let folders = ["/var/run/postgresql", "/run/postgresql", "/tmp"];
    let with_socket = folders
        .into_iter()
        .find(|folder| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists());
    match with_socket {
        Some(folder) => (folder.to_owned(), Endpoint::Unix(PathBuf::from(folder))),
        None => (
            "localhost".to_owned(),
            Endpoint::Tcp("localhost".to_owned()),
        ),
    }
}

fn port(text: &str) -> Result<u16, UrlError> {
    match text {
        "" => Ok(DEFAULT_PORT),
        text => match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            // Behind a ':' that was not encoded it may be a part of a password.
            _ => Err(part(
                "the port is not a number from 1 to 65535; encode reserved characters of user and password",
            )),
        },
    }
}

fn passfile(given: &Parameters, environment: &Environment) -> PasswordFile {
    let own = || Some(environment.home.as_ref()?.join(".pgpass"));
    match given.get("passfile") {
        // The file is not needed, and its state no news.
        _ if given.get("password").is_some() => PasswordFile::default(),
        Some(path) => PasswordFile::read(Path::new(path), true),
        None => own().map_or_else(PasswordFile::default, |path| {
            PasswordFile::read(&path, false)
        }),
    }
}

/// As libpq, which calls the usual socket `localhost`.
fn passfile_host(host: &Host) -> &str {
    match &host.endpoint {
        Endpoint::Unix(_)
            if ["/var/run/postgresql", "/run/postgresql", "/tmp"].contains(&&*host.name) =>
        {
            "localhost"
        }
        _ => &host.name,
    }
}

fn required_auth(given: &Parameters) -> Result<Option<RequiredAuth>, UrlError> {
    let Some(text) = given.get("require_auth") else {
        return Ok(None);
    };
    let listed: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_negated = listed.iter().all(|method| method.starts_with('!'));
    let methods: Vec<String> = listed
        .iter()
        .map(|method| method.trim_start_matches('!').to_owned())
        .collect();
    let is_mixed = !is_negated && listed.iter().any(|method| method.starts_with('!'));
    if is_mixed || methods.iter().any(|m| !AUTH_METHODS.contains(&m.as_str())) {
        return Err(part(format!(
            "require_auth: expected some of {}, all of them or none with '!'",
            AUTH_METHODS.join(", ")
        )));
    }
    Ok(Some(RequiredAuth {
        methods,
        is_negated,
    }))
}

/// The meaning of a word, if the parameter is given.
fn one_of<T: Copy>(
    given: &Parameters,
    name: &str,
    words: &[(&str, T)],
) -> Result<Option<T>, UrlError> {
    let Some(value) = given.get(name) else {
        return Ok(None);
    };
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == value) {
        return Ok(Some(*meaning));
    }
    let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    Err(part(format!(
        "{name}: {value:?} is none of {}",
        words.join(", ")
    )))
}

fn number<T: std::str::FromStr>(given: &Parameters, name: &str) -> Result<Option<T>, UrlError> {
    let Some(text) = given.get(name) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(part(format!(
            "{name}: {text:?} is not a number of that kind"
        ))),
    }
}
