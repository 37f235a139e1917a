//! Bulk inserts of messages and endpoints, for `exportctl admin seed`, the demo and the tests. The services only read these tables.
//!
//! A [`Seeder`] is one transaction on its own connection. The caller chooses the rows.

mod batch;
mod run;

use std::borrow::Cow;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use exports_domain::{Direction, EndpointId, MessageStatus, ProjectId};
use exports_postgres::{ConnectError, Error, UrlError, connect_once};
use sqlx::postgres::PgCopyIn;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use batch::{COPY_HEADER, COPY_MESSAGES, COPY_TRAILER};

pub use batch::MessageBatch;
pub use run::{Seeded, seed};

/// A row of `endpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedEndpoint {
    /// Its id.
    pub id: EndpointId,
    /// The direction of its messages.
    pub direction: Direction,
    /// Its URL.
    pub url: String,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

/// A row of `messages`. Combinations of columns are not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedMessage {
    /// Its id.
    pub id: Uuid,
    /// Its direction.
    pub direction: Direction,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// Its status.
    pub status: MessageStatus,
    /// The number of attempts.
    pub attempt_count: i32,
    /// When it was created, or received.
    pub created_at: DateTime<Utc>,
    /// When it was delivered.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When the next attempt is due.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The HTTP status of the last response.
    pub response_status: Option<i32>,
    /// The latency of the last response, in milliseconds.
    pub response_latency_ms: Option<i32>,
    /// From its creation to its delivery, in milliseconds.
    pub total_delivery_ms: Option<i32>,
    /// The error of the last failed attempt.
    pub last_error: Option<Cow<'static, str>>,
}

/// Why no row was written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database's URL is invalid.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A message with the same id exists.
    #[error("some of these messages already exist")]
    Exists,
    /// The database refused the rows.
    #[error(transparent)]
    Database(Error),
}

impl From<Error> for SeedError {
    fn from(error: Error) -> Self {
        // Not by the name of the constraint: the operator may have created the table.
        match error.sql_state().as_deref() {
            Some("23505") => Self::Exists,
            _ => Self::Database(error),
        }
    }
}

impl From<ConnectError> for SeedError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Url(error) => Self::Url(error),
            ConnectError::Database(error) => Self::from(error),
        }
    }
}

impl From<sqlx::Error> for SeedError {
    fn from(error: sqlx::Error) -> Self {
        Self::from(Error::from(error))
    }
}

/// A transaction that writes messages and endpoints. A drop before `commit` writes nothing.
#[derive(Debug)]
pub struct Seeder {
    connection: PgConnection,
}

impl Seeder {
    /// Connects to the source database and begins.
    pub async fn begin(url: &str) -> Result<Self, SeedError> {
        let mut connection = connect_once(url).await?;
        // Millions of rows need more time than usual timeouts.
        sqlx::raw_sql(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
             SELECT set_config('transaction_timeout', '0', false) \
             WHERE current_setting('transaction_timeout', true) IS NOT NULL",
        )
        .execute(&mut connection)
        .await?;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        Ok(Self { connection })
    }

    /// Inserts the endpoints that do not exist.
    pub async fn endpoints(
        &mut self,
        project: &ProjectId,
        endpoints: &[SeedEndpoint],
    ) -> Result<(), SeedError> {
        let ids: Vec<Uuid> = endpoints.iter().map(|endpoint| endpoint.id.0).collect();
        let directions: Vec<String> = endpoints
            .iter()
            .map(|endpoint| endpoint.direction.as_str().to_owned())
            .collect();
        let urls: Vec<String> = endpoints
            .iter()
            .map(|endpoint| endpoint.url.clone())
            .collect();
        let times: Vec<DateTime<Utc>> = endpoints
            .iter()
            .map(|endpoint| endpoint.created_at)
            .collect();
        sqlx::query!(
            r#"
            INSERT INTO endpoints (id, project_id, direction, url, created_at)
            SELECT id, $1, direction, url, created_at
            FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
                AS new (id, direction, url, created_at)
            ON CONFLICT DO NOTHING
            "#,
            project.as_str(),
            &ids,
            &directions,
            &urls,
            &times,
        )
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Begins a COPY of messages; [`MessageCopy::finish`] ends it.
    pub async fn messages(&mut self) -> Result<MessageCopy<'_>, SeedError> {
        let mut copy = self.connection.copy_in_raw(COPY_MESSAGES).await?;
        copy.send(COPY_HEADER).await?;
        Ok(MessageCopy { copy })
    }

    /// Commits.
    pub async fn commit(mut self) -> Result<(), SeedError> {
        sqlx::raw_sql("COMMIT")
            .execute(&mut self.connection)
            .await?;
        // The planner needs statistics before autovacuum runs. A failure does not affect the rows.
        let _ = sqlx::raw_sql("ANALYZE messages, endpoints")
            .execute(&mut self.connection)
            .await;
        self.connection.close().await.ok();
        Ok(())
    }
}

/// A COPY in progress. If you drop it, drop its [`Seeder`] too.
#[must_use = "nothing is written before finish"]
pub struct MessageCopy<'a> {
    copy: PgCopyIn<&'a mut PgConnection>,
}

impl MessageCopy<'_> {
    /// Sends a batch. The server reports errors at the end.
    pub async fn send(&mut self, batch: MessageBatch) -> Result<(), SeedError> {
        self.copy.send(batch.bytes.freeze()).await?;
        Ok(())
    }

    /// Waits for the server and returns the number of rows.
    pub async fn finish(mut self) -> Result<u64, SeedError> {
        self.copy
            .send(Bytes::copy_from_slice(&COPY_TRAILER.to_be_bytes()))
            .await?;
        Ok(self.copy.finish().await?)
    }
}
