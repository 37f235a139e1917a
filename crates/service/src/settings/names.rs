//! The names of variables. A misspelt variable would silently mean the default, so it is refused.

use std::ffi::OsString;

use exports_domain::most_similar;

use crate::settings::secret_files::{is_file_variable, is_secret};

const PREFIX: &str = "EXPORTS_";
const PASSWORD_FILE: &str = "PGPASSWORD_FILE";

/// Every `EXPORTS_*` name of `groups`, where a test compares them.
pub(super) const NAMES: &[&str] = &[
    "EXPORTS_API_KEY",
    "EXPORTS_API_URL",
    "EXPORTS_CONCURRENCY",
    "EXPORTS_CONSOLE",
    "EXPORTS_CORS_ORIGINS",
    "EXPORTS_CREATES_PER_PROJECT",
    "EXPORTS_DOCS",
    "EXPORTS_FILE_TTL",
    "EXPORTS_HEALTH_LISTEN",
    "EXPORTS_LEASE",
    "EXPORTS_LISTEN",
    "EXPORTS_LOG_FORMAT",
    "EXPORTS_MANIFEST_KEY",
    "EXPORTS_MAX_ACTIVE_PER_PROJECT",
    "EXPORTS_MAX_ATTEMPTS",
    "EXPORTS_MAX_CONNECTIONS",
    "EXPORTS_MAX_DURATION",
    "EXPORTS_MAX_STORED_BYTES_PER_PROJECT",
    "EXPORTS_MAX_STREAMS_PER_PROJECT",
    "EXPORTS_METRICS_LISTEN",
    "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
    "EXPORTS_OBJECT_STORE_URL",
    "EXPORTS_PUBLIC_URL",
    "EXPORTS_READERS",
    "EXPORTS_RECORD_TTL",
    "EXPORTS_REQUESTS_PER_KEY",
    "EXPORTS_SHUTDOWN_GRACE",
    "EXPORTS_SIGNING_KEY",
    "EXPORTS_SIGNING_KEY_PREVIOUS",
    "EXPORTS_SOURCE_DATABASE_URL",
    "EXPORTS_SOURCE_ROW_SECURITY",
    "EXPORTS_STALL_TIMEOUT",
    "EXPORTS_STARTUP_TIMEOUT",
    "EXPORTS_TLS_CERT",
    "EXPORTS_TLS_KEY",
    "EXPORTS_TRUSTED_PROXIES",
    "EXPORTS_UPLOAD_MEMORY",
    "EXPORTS_WEBHOOK_ALLOWED_NETWORKS",
    "EXPORTS_WEBHOOK_PROXY",
];

/// An error, as one line, if a variable looks like one of ours and is none.
pub(super) fn refuse_unknown(names: impl Iterator<Item = OsString>) -> Result<(), String> {
    let problems = names
        .filter_map(|name| name.into_string().ok())
        .filter_map(|name| problem(&name));
    // The order of the environment is arbitrary.
    problems.min().map_or(Ok(()), Err)
}

fn problem(name: &str) -> Option<String> {
    if name == PASSWORD_FILE {
        let text = "is not a setting: use DATABASE_URL_FILE, or PGPASSFILE";
        return Some(format!("{name} {text}"));
    }
    if NAMES.contains(&name) || is_file_variable(name) {
        return None;
    }
    let advice = match name.strip_prefix(PREFIX) {
        Some(rest) => advice(rest),
        // Lower case, or a part of the prefix: ours only if the rest is right.
        None => format!("did you mean {}?", other_spelling(name)?),
    };
    Some(format!("{name} is not a setting: {advice}"))
}

/// What to do about `EXPORTS_` with this rest.
fn advice(rest: &str) -> String {
    let value = rest
        .strip_suffix("_FILE")
        .map(|rest| format!("{PREFIX}{rest}"));
    if let Some(value) = value.filter(|name| NAMES.contains(&name.as_str()) && !is_secret(name)) {
        return format!("only secrets are read from files, so set {value}");
    }
    // The common prefix would make all names similar.
    let known = NAMES.iter().filter_map(|name| name.strip_prefix(PREFIX));
    match most_similar(&rest.to_ascii_uppercase(), known) {
        Some(meant) => format!("did you mean {PREFIX}{meant}?"),
        None => "unset it (--help lists the settings)".to_owned(),
    }
}

fn other_spelling(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let rest = upper
        .strip_prefix(PREFIX)
        .or_else(|| upper.strip_prefix("EXPORT_"))?;
    let name = format!("{PREFIX}{rest}");
    (NAMES.contains(&name.as_str()) || is_file_variable(&name)).then_some(name)
}

/// A variable that is set and that is probably a misspelt `missing`.
pub(super) fn misspelt(missing: &str, names: impl Iterator<Item = OsString>) -> Option<String> {
    let set: Vec<_> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| !NAMES.contains(&name.as_str()) && !is_file_variable(name))
        .filter(|name| name.len().abs_diff(missing.len()) <= 2)
        .collect();
    most_similar(missing, set.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(names: &[&str]) -> Result<(), String> {
        refuse_unknown(names.iter().map(OsString::from))
    }

    #[test]
    fn unknown_variables_are_refused_with_what_they_may_mean() {
        let known = [
            "PATH",
            "EXPORTS_LEASE",
            "EXPORTS_SIGNING_KEY_FILE",
            "EXPORT_DIR",
        ];
        assert_eq!(refused(&known), Ok(()));
        for (name, advice) in [
            ("EXPORTS_LEESE", "did you mean EXPORTS_LEASE?"),
            ("EXPORTS_lease", "did you mean EXPORTS_LEASE?"),
            ("exports_lease", "did you mean EXPORTS_LEASE?"),
            ("EXPORT_LEASE", "did you mean EXPORTS_LEASE?"),
            ("EXPORTS_", "unset it (--help lists the settings)"),
            (
                "EXPORTS_LEASE_FILE",
                "only secrets are read from files, so set EXPORTS_LEASE",
            ),
            (PASSWORD_FILE, "use DATABASE_URL_FILE, or PGPASSFILE"),
        ] {
            let line = refused(&["PATH", name]).unwrap_err();
            assert_eq!(line, format!("{name} is not a setting: {advice}"));
        }
    }

    #[test]
    fn a_missing_variable_may_be_misspelt() {
        let set = |name: &str| [OsString::from("PATH"), OsString::from(name)].into_iter();
        let misspelt_as = |name| misspelt("DATABASE_URL", set(name));
        assert_eq!(misspelt_as("DATABSE_URL").as_deref(), Some("DATABSE_URL"));
        assert_eq!(misspelt_as("DATABASE_URL_FILE"), None);
        assert_eq!(misspelt_as("HOME"), None);
    }
}
