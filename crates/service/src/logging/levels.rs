//! The log levels: `RUST_LOG`, and the libraries whose lines nobody can act on.

use std::ffi::OsStr;

use exports_domain::most_similar;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Libraries whose warnings repeat what the services log or retry themselves. `RUST_LOG` can name each of
/// them, and shows all of them if it asks for `debug` or `trace`.
const QUIET_LIBRARIES: [&str; 7] = [
    // Slow connections of a pool, and the notices of the server. Slow is measured by our own metrics, and a
    // notice such as "collation version mismatch" comes with every new connection.
    "sqlx=error",
    // A client that closes its connection in the middle of a request.
    "hyper=error",
    "hyper_util=error",
    // Retries of requests to the store. The last error is logged by the caller.
    "object_store=error",
    "reqwest=error",
    // Alerts of a peer that ends a TLS handshake. The error of the connection says the same.
    "rustls=error",
    // A certificate that is refused. The error of the request says the same.
    "rustls_platform_verifier=off",
];

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The levels are invalid. The message continues the name of the variable.
#[derive(Debug, thiserror::Error)]
pub(super) enum LevelsError {
    #[error("must be levels such as info or info,sqlx=warn, not {0:?}")]
    Invalid(String),
    #[error("must be levels such as info or info,sqlx=warn, not {word:?}: did you mean {level}?")]
    Misspelt { word: String, level: &'static str },
}

/// The levels of `RUST_LOG`; `info` unless it says something else.
pub(super) fn levels(rust_log: &OsStr) -> Result<EnvFilter, LevelsError> {
    let text = rust_log.to_string_lossy();
    // With a line break at the end, the name of a level is invalid.
    let given = text.trim();
    if let Some((word, level)) = misspelt_level(given) {
        return Err(LevelsError::Misspelt { word, level });
    }
    let levels = parse(given)?;
    if levels.max_level_hint() > Some(LevelFilter::INFO) {
        return Ok(levels);
    }
    // The default directive counts only if there is no other one.
    let given = if given.is_empty() { "info" } else { given };
    // A later directive for the same library replaces an earlier one.
    parse(&format!("{},{given}", QUIET_LIBRARIES.join(",")))
}

fn parse(directives: &str) -> Result<EnvFilter, LevelsError> {
    let parsed = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives);
    parsed.map_err(|_| LevelsError::Invalid(directives.to_owned()))
}

/// A single word is the name of a library: `wran` would switch off the log instead of showing warnings.
fn misspelt_level(given: &str) -> Option<(String, &'static str)> {
    let words = given.split(',').map(str::trim);
    let mut words = words.filter(|word| word.chars().all(|c| c.is_ascii_alphabetic()));
    words.find_map(|word| {
        let lower = word.to_ascii_lowercase();
        let is_other = !word.is_empty() && !LEVELS.contains(&lower.as_str()) && !is_library(&lower);
        let level = is_other.then(|| most_similar(&lower, LEVELS))??;
        Some((word.to_owned(), level))
    })
}

fn is_library(word: &str) -> bool {
    let mut quiet = QUIET_LIBRARIES
        .iter()
        .filter_map(|quiet| quiet.split('=').next());
    quiet.any(|library| library == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rust_log: &str) -> String {
        levels(OsStr::new(rust_log)).unwrap().to_string()
    }

    #[test]
    fn libraries_are_quiet_unless_the_levels_say_something_else() {
        for rust_log in ["", "info", " warn\n", "exports_api=info"] {
            assert!(shown(rust_log).contains("sqlx=error"), "{rust_log}");
        }
        assert!(shown("").ends_with("info"), "{}", shown(""));
        let named = shown("info,sqlx=warn");
        assert!(
            named.contains("sqlx=warn") && !named.contains("sqlx=error"),
            "{named}"
        );
        for rust_log in ["debug", "trace", "info,sqlx=debug"] {
            assert!(!shown(rust_log).contains("rustls=error"), "{rust_log}");
        }
    }

    #[test]
    fn an_unknown_level_is_an_error() {
        assert!(levels(OsStr::new("exports=loud")).is_err());
        for (rust_log, level) in [
            ("wran", "warn"),
            ("debg,sqlx=info", "debug"),
            ("INFOO", "info"),
        ] {
            let line = levels(OsStr::new(rust_log)).unwrap_err().to_string();
            assert!(line.ends_with(&format!("did you mean {level}?")), "{line}");
        }
        for library in ["hyper", "rustls", "exports_api", "tokio", "WARN", "Info"] {
            assert!(levels(OsStr::new(library)).is_ok(), "{library}");
        }
    }
}
