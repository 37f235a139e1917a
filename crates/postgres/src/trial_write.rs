//! Makes the server write to its disks, for `exportctl admin check`. Leaves nothing behind.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::timeout;

use crate::client::Client;
use crate::error::Error;

/// The time limit. The statement timeout of the session is shorter.
const LIMIT: Duration = Duration::from_secs(15);

/// A sort of 4 MB that has 64 kB of memory. The server writes it to a temporary file, in the tablespace of the
/// database, and removes the file at the end. Every role may do that, and it writes no WAL: a full disk of the
/// WAL would stop the whole server.
const FILE: &str = "BEGIN; \
     SET LOCAL work_mem = '64kB'; SET LOCAL temp_tablespaces = ''; \
     SELECT count(*) FROM (SELECT repeat(md5(i::text), 32) FROM generate_series(1, 4096) i ORDER BY 1) sorted; \
     ROLLBACK";

/// A WAL record of some bytes, and a commit that waits until it is on the disk, also where commits usually
/// do not wait. Nothing else reads the record.
const COMMIT: &str = "BEGIN; \
     SELECT set_config('synchronous_commit', CASE now.setting WHEN 'off' THEN 'local' ELSE now.setting END, true) \
     FROM (SELECT current_setting('synchronous_commit') AS setting) now; \
     SELECT pg_logical_emit_message(true, 'exportctl-check', ''); \
     COMMIT";

/// What the server failed to write.
#[derive(Debug, thiserror::Error)]
pub enum TrialWriteError {
    /// No connection for it could be opened.
    #[error(transparent)]
    Connect(Error),
    /// A file in the tablespace of the database.
    #[error("the server cannot extend a file")]
    File(#[source] Error),
    /// The write-ahead log.
    #[error("the server cannot commit")]
    Commit(#[source] Error),
}

impl Client {
    /// Lets the server extend a file, and commit a transaction and flush it. Each is one message, so it works
    /// through a pooler too.
    pub async fn try_writing(&self) -> Result<(), TrialWriteError> {
        let connection = self.fresh_connection().await;
        let mut connection = connection.map_err(TrialWriteError::Connect)?;
        let file = run(&mut connection, FILE).await;
        file.map_err(TrialWriteError::File)?;
        let commit = run(&mut connection, COMMIT).await;
        commit.map_err(TrialWriteError::Commit)?;
        // Both statements are answered, so an error of the close loses nothing.
        connection.close().await.ok();
        Ok(())
    }
}

async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<(), Error> {
    let running = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection);
    match timeout(LIMIT, running).await {
        Ok(ended) => Ok(ended.map(drop)?),
        Err(_) => Err(Error::timed_out(LIMIT)),
    }
}
