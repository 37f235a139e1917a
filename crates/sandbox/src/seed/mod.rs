//! Writing messages and endpoints in bulk, for the seed, the demo and tests. The services never
//! do: they only read these relations.
//!
//! A [`Seeder`] is one transaction on a connection of its own: everything is written or nothing.
//! Which rows there are is the caller's.

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
    /// Which way its messages go.
    pub direction: Direction,
    /// Its address.
    pub url: String,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

/// A row of `messages`. Nothing here checks that its columns go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedMessage {
    /// Its id.
    pub id: Uuid,
    /// Which way it goes.
    pub direction: Direction,
    /// Where to, or where from.
    pub endpoint: EndpointId,
    /// How far it got.
    pub status: MessageStatus,
    /// How often it was tried.
    pub attempt_count: i32,
    /// When it was made, or received.
    pub created_at: DateTime<Utc>,
    /// When it arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The latest answer's HTTP status.
    pub response_status: Option<i32>,
    /// How long the latest answer took, in milliseconds.
    pub response_latency_ms: Option<i32>,
    /// From its making to its arrival, in milliseconds.
    pub total_delivery_ms: Option<i32>,
    /// What the latest failure said.
    pub last_error: Option<Cow<'static, str>>,
}

/// Why rows were not written. None of them was, then.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database's URL is wrong.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A message of the same id is there.
    #[error("some of these messages are there already")]
    Exists,
    /// The database did not take them.
    #[error(transparent)]
    Database(Error),
}

impl From<Error> for SeedError {
    fn from(error: Error) -> Self {
        // By state and not by the constraint's name, which is an operator's own where the table is.
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

/// A transaction that writes messages and endpoints. Dropped before `commit`, nothing is written.
#[derive(Debug)]
pub struct Seeder {
    connection: PgConnection,
}

impl Seeder {
    /// Connects to the database of the messages and begins.
    pub async fn begin(url: &str) -> Result<Self, SeedError> {
        let mut connection = connect_once(url).await?;
        // Millions of rows take as long as they take.
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

    /// Writes the endpoints that are not there yet.
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

    /// Begins to write messages; [`MessageCopy::finish`] ends it.
    pub async fn messages(&mut self) -> Result<MessageCopy<'_>, SeedError> {
        let mut copy = self.connection.copy_in_raw(COPY_MESSAGES).await?;
        copy.send(COPY_HEADER).await?;
        Ok(MessageCopy { copy })
    }

    /// Makes it all visible.
    pub async fn commit(mut self) -> Result<(), SeedError> {
        sqlx::raw_sql("COMMIT")
            .execute(&mut self.connection)
            .await?;
        // Until statistics come by themselves, plans for the new rows would be guesses. The rows
        // are there whether or not this succeeds.
        let _ = sqlx::raw_sql("ANALYZE messages, endpoints")
            .execute(&mut self.connection)
            .await;
        self.connection.close().await.ok();
        Ok(())
    }
}

/// Messages on their way. If it is dropped, drop its [`Seeder`] too.
#[must_use = "nothing is written before finish"]
pub struct MessageCopy<'a> {
    copy: PgCopyIn<&'a mut PgConnection>,
}

impl MessageCopy<'_> {
    /// Sends a batch. The server tells what it thinks of it at the end.
    pub async fn send(&mut self, batch: MessageBatch) -> Result<(), SeedError> {
        self.copy.send(batch.bytes.freeze()).await?;
        Ok(())
    }

    /// Waits until the server has taken them all, and gives how many.
    pub async fn finish(mut self) -> Result<u64, SeedError> {
        self.copy
            .send(Bytes::copy_from_slice(&COPY_TRAILER.to_be_bytes()))
            .await?;
        Ok(self.copy.finish().await?)
    }
}
