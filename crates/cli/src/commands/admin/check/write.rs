//! Checks that the database server can write: a full disk does not prevent reading.

use exports_domain::error_line;
use exports_postgres::{Client, TrialWriteError};

use super::report::Finding;

/// `disk_full`.
const DISK_FULL: &str = "53100";
/// `insufficient_privilege`.
const FORBIDDEN: &str = "42501";

pub(super) async fn check(database: &Client) -> Finding {
    let error = match database.try_writing().await {
        Ok(()) => return Finding::ok("the server has extended a file and flushed a commit"),
        Err(error) => error,
    };
    let line = error_line(&error);
    let (TrialWriteError::Connect(reason)
    | TrialWriteError::File(reason)
    | TrialWriteError::Commit(reason)) = &error;
    match (&error, reason.sql_state().as_deref()) {
        (_, Some(DISK_FULL)) => Finding::fail(format!(
            "{line}: free space on the disk of the database server, or extend it"
        )),
        (TrialWriteError::Commit(_), Some(FORBIDDEN)) => Finding::warn(format!(
            "the server has extended a file; a commit was not tried: {line}: grant EXECUTE on \
             pg_logical_emit_message to have it checked"
        )),
        _ => Finding::fail(format!("{line}: see the log of the database server")),
    }
}
