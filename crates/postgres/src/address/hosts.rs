//! The hosts of an address, with their ports and passwords.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::parameters::{Parameters, part};
use super::passfile::PasswordFile;
use super::types::{Endpoint, Host, Password};
use crate::error::UrlError;

const DEFAULT_PORT: u16 = 5432;
/// Where servers put their Unix sockets by default.
const SOCKET_DIRECTORIES: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

pub(super) fn hosts(given: &Parameters) -> Result<Vec<Host>, UrlError> {
    let list = |name: &str| -> Vec<&str> {
        let values = given.get(name).map(|value| value.split(',').collect());
        values.unwrap_or_default()
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = names.len().max(addresses.len()).max(1);
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(part(format!(
            "{} hosts but {} addresses in hostaddr",
            names.len(),
            addresses.len()
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(part(format!("{} ports but {count} hosts", ports.len())));
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
    let is_directory = name.starts_with('/') || name.starts_with('@');
    let (name, endpoint) = if !address.is_empty() {
        if address.parse::<std::net::IpAddr>().is_err() {
            return Err(part(format!("hostaddr: {address:?} is not an IP address")));
        }
        let name = if name.is_empty() { address } else { name };
        (name.to_owned(), Endpoint::Tcp(address.to_owned()))
    } else if is_directory {
        (name.to_owned(), Endpoint::Unix(PathBuf::from(name)))
    } else if name.is_empty() {
        default_host(port)
    } else if name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '\\')) {
        return Err(part(format!(
            "{:?} is not the name of a host: percent-encode '/', '@' and other reserved characters in user and password",
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

/// The Unix socket of a local server if one exists, else `localhost`.
fn default_host(port: u16) -> (String, Endpoint) {
    let with_socket = SOCKET_DIRECTORIES.into_iter().find(|directory| {
        Path::new(directory)
            .join(format!(".s.PGSQL.{port}"))
            .exists()
    });
    match with_socket {
        Some(directory) => (
            directory.to_owned(),
            Endpoint::Unix(PathBuf::from(directory)),
        ),
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
            // The text is not shown: after an unencoded ':' it can be a part of the password.
            _ => Err(part(
                "the port must be 1 to 65535: percent-encode ':', '/', '@' and '#' in user and password",
            )),
        },
    }
}

/// Sets each host's password: the given one, or that of the password file. Returns why the password
/// file is ignored, if it is.
pub(super) fn set_passwords(
    hosts: &mut [Host],
    given: &Parameters,
    environment: &Environment,
    database: &str,
    user: &str,
) -> Option<String> {
    let passfile = passfile(given, environment);
    for host in hosts {
        let port = host.port.to_string();
        let password = given
            .get("password")
            .or_else(|| passfile.password([passfile_host(host), &port, database, user]));
        host.password = password.map(|password| Password(password.to_owned()));
    }
    passfile.problem
}

fn passfile(given: &Parameters, environment: &Environment) -> PasswordFile {
    let own = || Some(environment.home.as_ref()?.join(".pgpass"));
    match given.get("passfile") {
        // The file is not needed, so its problems do not matter.
        _ if given.get("password").is_some() => PasswordFile::default(),
        Some(path) => PasswordFile::read(Path::new(path), true),
        None => own().map_or_else(PasswordFile::default, |path| {
            PasswordFile::read(&path, false)
        }),
    }
}

/// As in libpq, the default socket directory is `localhost` in a password file.
fn passfile_host(host: &Host) -> &str {
    match &host.endpoint {
        Endpoint::Unix(_) if SOCKET_DIRECTORIES.contains(&&*host.name) => "localhost",
        _ => &host.name,
    }
}
