//! Formats an error as one line, for logs and standard error.

use std::error::Error;

/// The error and its sources, joined by colons, without repetitions.
#[must_use]
pub fn error_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // The errors of some libraries contain the text of their source.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failed {
        text: &'static str,
        source: Option<Box<Failed>>,
    }

    fn failed(text: &'static str, source: Option<Failed>) -> Failed {
        let source = source.map(Box::new);
        Failed { text, source }
    }

    #[test]
    fn each_source_appears_once_in_one_line() {
        let inner = || failed("no\nspace", None);
        let outer = failed("download", Some(failed("write", Some(inner()))));
        assert_eq!(error_line(&outer), "download: write: no space");
        let repeating = failed("full: no\nspace", Some(inner()));
        assert_eq!(error_line(&repeating), "full: no space");
    }
}
