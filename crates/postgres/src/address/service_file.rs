//! Service files: a set of parameters under a name, for `service=…` or `PGSERVICE`.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::parameter_names;
use super::parameters::{Parameters, part};
use crate::error::UrlError;

/// Where distributions put the file for all users.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"];

/// Adds the parameters of the service. Parameters that are set stay.
pub(super) fn apply(given: &mut Parameters, environment: &Environment) -> Result<(), UrlError> {
    let named = given.get("service");
    let Some(service) = named.or_else(|| environment.variable("PGSERVICE")) else {
        return Ok(());
    };
    let service = service.to_owned();
    let files = files(given, environment);
    for file in &files {
        let Some(text) = read(file)? else { continue };
        if let Some(parameters) = section(&text, &service, file)? {
            for (name, value) in parameters {
                given.add(&name, &value);
            }
            return Ok(());
        }
    }
    let files: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    Err(part(format!(
        "there is no service {service:?} in {}",
        files.join(" or ")
    )))
}

fn files(given: &Parameters, environment: &Environment) -> Vec<PathBuf> {
    let named = given
        .get("servicefile")
        .or_else(|| environment.variable("PGSERVICEFILE"));
    let own = match named {
        Some(file) => Some(PathBuf::from(file)),
        None => environment
            .home
            .as_ref()
            .map(|home| home.join(".pg_service.conf")),
    };
    let directories = match environment.variable("PGSYSCONFDIR") {
        Some(directory) => vec![directory],
        None => SYSTEM_DIRECTORIES.to_vec(),
    };
    let system = directories
        .into_iter()
        .map(|directory| Path::new(directory).join("pg_service.conf"));
    own.into_iter().chain(system).collect()
}

/// `None` if the file does not exist.
fn read(file: &Path) -> Result<Option<String>, UrlError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(part(format!("service file {}: {error}", file.display()))),
    }
}

/// The parameters of a service, if the file contains the service.
fn section(
    text: &str,
    service: &str,
    file: &Path,
) -> Result<Option<Vec<(String, String)>>, UrlError> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if name.split(']').next() == Some(service) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(parameters) = &mut found else {
            continue;
        };
        // Errors do not quote the line, because it may contain a password.
        let here = format!("line {} of service file {}", number + 1, file.display());
        let Some((name, value)) = line.split_once('=') else {
            return Err(part(format!("{here} is not keyword=value")));
        };
        let (name, value) = (name.trim(), value.trim());
        if matches!(name, "service" | "servicefile") || !parameter_names::is_known(name) {
            return Err(part(format!("{here}: {name:?} is not a valid parameter")));
        }
        // The first value counts.
        if !parameters.iter().any(|(known, _)| known == name) {
            parameters.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}
