//! Faults of the worker's dependencies, and their effect on exports.

mod database;
mod failover;
mod lost_responses;
mod source;
mod store;

use exports_domain::Failure;
use exports_tests::s3::{Fault, Injected};

use crate::support::{Fixture, PROJECT};

/// Makes writes to the store fail until it is dropped.
enum RefusingStore {
    S3 {
        _refusing: Injected,
    },
    /// A file at the path of the project's folder.
    File(std::path::PathBuf),
}

impl RefusingStore {
    fn of(fixture: &Fixture) -> Self {
        match fixture.store_folder() {
            None => Self::S3 {
                _refusing: fixture.s3().inject(|_| true, Fault::Answer(403)),
            },
            Some(folder) => {
                let path = folder.join(PROJECT);
                std::fs::write(&path, "in the way").expect("a blocking file");
                Self::File(path)
            }
        }
    }
}

impl Drop for RefusingStore {
    fn drop(&mut self) {
        if let Self::File(path) = self {
            std::fs::remove_file(path).expect("the blocking file");
        }
    }
}

/// Fails unless the message tells the consumer what to do and exposes no internal details.
fn tells_only_what_to_do(fixture: &Fixture, failure: &Failure) {
    let message = &failure.message;
    assert!(message.contains("Please"), "{message}");
    let lower = message.to_lowercase();
    let internals = [
        "/",
        "\\",
        "://",
        "127.0.0.1",
        "localhost",
        "select",
        "relation",
        "postgres",
        "sql",
        "s3",
        "bucket",
        "aws",
        "http",
        "403",
        "503",
        "error",
        "directory",
        "proj_",
        "messages\"",
        ".csv",
        "worker",
        "attempt",
    ];
    for internal in internals {
        assert!(!lower.contains(internal), "{internal:?} is in {message:?}");
    }
    for (_, value) in fixture.environment(&[]) {
        assert!(!message.contains(&value), "{value:?} is in {message:?}");
    }
}
