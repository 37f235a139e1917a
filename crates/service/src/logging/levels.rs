//! The log levels: `RUST_LOG`, and the libraries whose lines nobody can act on.

use std::ffi::OsStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

/// Libraries whose warnings repeat what the services log or retry themselves. `RUST_LOG` can name each of
/// them, and shows all of them if it asks for `debug` or `trace`.
const QUIET_LIBRARIES: [&str; 6] = [
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
];

/// The levels of `RUST_LOG`; `info` unless it says something else.
pub(super) fn levels(rust_log: &OsStr) -> Result<EnvFilter, ParseError> {
    let text = rust_log.to_string_lossy();
    // With a line break at the end, the name of a level is invalid.
    let given = text.trim();
    let levels = parse(given)?;
    if levels.max_level_hint() > Some(LevelFilter::INFO) {
        return Ok(levels);
    }
    // The default directive counts only if there is no other one.
    let given = if given.is_empty() { "info" } else { given };
    // A later directive for the same library replaces an earlier one.
    parse(&format!("{},{given}", QUIET_LIBRARIES.join(",")))
}

fn parse(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives)
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
    }
}
