//! Formats an error as one line, for logs and standard error.

use std::error::Error;
use std::io;

/// The error and its sources, joined by colons, without repetitions.
#[must_use]
pub fn error_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // The errors of some libraries contain the text of their source.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    without_numbers(&line.replace('\n', " "))
}

/// The reason of an error of the operating system, in words that need no manual.
#[must_use]
pub fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is a file".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => error_line(error),
    }
}

/// The standard library adds the number of an error to its text.
fn without_numbers(line: &str) -> String {
    const START: &str = " (os error ";
    let mut parts = line.split(START);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.trim_start_matches(|c: char| c.is_ascii_digit());
        text.push_str(after.strip_prefix(')').unwrap_or(after));
    }
    text
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
        for repeating in ["full: no\nspace", "no\nspace: buy a disk"] {
            let line = error_line(&failed(repeating, Some(inner())));
            assert_eq!(line, repeating.replace('\n', " "));
        }
    }

    #[test]
    fn the_number_of_an_error_of_the_operating_system_is_left_out() {
        let refused = io::Error::from_raw_os_error(111);
        assert!(refused.to_string().contains("os error"));
        assert!(!error_line(&refused).contains("os error"));
        assert_eq!(without_numbers("a (os error 2): b (os error 13)"), "a: b");
        assert_eq!(
            io_reason(&io::Error::from_raw_os_error(2)),
            "it does not exist"
        );
    }
}
