//! Compares two files, without their line ends.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// The digest of a file with LF instead of CRLF, and the number of CRLF.
struct Unified {
    sha256: String,
    carriage_returns: u64,
}

/// Asserts that `ours`, with LF instead of CRLF, equals `theirs`, and returns the digest.
///
/// Every CR must end one of the `records`.
pub(super) fn assert_same(ours: &Path, theirs: &Path, records: u64) -> Result<String> {
    let (ours, theirs) = (unified(ours)?, unified(theirs)?);
    ensure!(
        ours.carriage_returns == records && theirs.carriage_returns == 0,
        "our file of {records} records has {} carriage returns, psql's has {}",
        ours.carriage_returns,
        theirs.carriage_returns
    );
    ensure!(
        ours.sha256 == theirs.sha256,
        "the files differ: SHA-256 {} and {}",
        ours.sha256,
        theirs.sha256
    );
    Ok(ours.sha256)
}

fn unified(path: &Path) -> Result<Unified> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut digest = Sha256::new();
    let mut carriage_returns = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        for line in buffer[..read].split_inclusive(|byte| *byte == b'\r') {
            let (text, ended) = match line.split_last() {
                Some((b'\r', text)) => (text, 1),
                _ => (line, 0),
            };
            digest.update(text);
            carriage_returns += ended;
        }
    }
    Ok(Unified {
        sha256: hex::encode(digest.finalize()),
        carriage_returns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ours: &str, theirs: &str) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        assert_same(&file("ours", ours), &file("theirs", theirs), 2)
    }

    #[test]
    fn only_the_ends_of_records_may_differ() {
        let digest = judged("a\r\n\"b\nc\"\r\n", "a\n\"b\nc\"\n").unwrap();
        assert_eq!(digest, hex::encode(Sha256::digest("a\n\"b\nc\"\n")));
        for (ours, theirs) in [
            ("a\r\nb\r\n", "a\nc\n"),
            ("a\r\nb\r\n", "a\nb\n\n"),
            ("a\r\nb\r\n", "a\r\nb\n"),
            ("a\r\n\"b\r\nc\"\r\n", "a\n\"b\nc\"\n"),
        ] {
            assert!(judged(ours, theirs).is_err(), "{ours:?} {theirs:?}");
        }
    }
}
