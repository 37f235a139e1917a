//! Writing messages and endpoints in bulk, for the seed, the demo and tests. The services never
//! do: they only read these relations.
//!
//! A [`Seeder`] is one transaction on a connection of its own: everything is written or nothing.
//! Which rows there are is the caller's.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use exports_domain::{Direction, EndpointId, MessageStatus, ProjectId};
use sqlx::postgres::PgCopyIn;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::database::{Database, connect, parse_url};
use crate::error::{Error, UrlError};

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

/// Messages in the form in which they are sent: binary COPY, which needs no quoting and costs the
/// server no parsing. Filling one needs no connection, so that it can be done on another thread.
#[derive(Debug, Default)]
pub struct MessageBatch {
    bytes: BytesMut,
    rows: u64,
}

/// The columns of [`MessageBatch::push`], in its order.
const COPY_MESSAGES: &str = "COPY messages (id, project_id, direction, endpoint_id, status, \
     attempt_count, created_at, delivered_at, next_attempt_at, response_status, \
     response_latency_ms, total_delivery_ms, last_error) FROM STDIN (FORMAT binary)";
const COPY_COLUMNS: i16 = 13;
/// The signature, no flags, no extension.
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's number of columns: the end.
const COPY_TRAILER: i16 = -1;
/// 2000-01-01, from which PostgreSQL counts, in Unix microseconds.
const EPOCH_US: i64 = 946_684_800_000_000;

impl MessageBatch {
    /// An empty batch with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: BytesMut::with_capacity(bytes),
            rows: 0,
        }
    }

    /// Adds a message of a project.
    pub fn push(&mut self, project: &ProjectId, message: &SeedMessage) {
        self.rows += 1;
        self.bytes.put_i16(COPY_COLUMNS);
        self.field(message.id.as_bytes());
        self.field(project.as_str().as_bytes());
        self.field(message.direction.as_str().as_bytes());
        self.field(message.endpoint.0.as_bytes());
        self.field(message.status.as_str().as_bytes());
        self.integer(Some(message.attempt_count));
        self.time(Some(message.created_at));
        self.time(message.delivered_at);
        self.time(message.next_attempt_at);
        self.integer(message.response_status);
        self.integer(message.response_latency_ms);
        self.integer(message.total_delivery_ms);
        match &message.last_error {
            Some(error) => self.field(error.as_bytes()),
            None => self.null(),
        }
    }

    /// How many messages are in it.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn field(&mut self, value: &[u8]) {
        // PostgreSQL has no larger value than 1 GiB, so a longer one than i32 holds is refused by
        // the server in any case.
        self.bytes
            .put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.put_slice(value);
    }

    fn null(&mut self) {
        self.bytes.put_i32(-1);
    }

    fn integer(&mut self, value: Option<i32>) {
        match value {
            Some(value) => self.field(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    fn time(&mut self, value: Option<DateTime<Utc>>) {
        match value {
            Some(value) => self.field(&(value.timestamp_micros() - EPOCH_US).to_be_bytes()),
            None => self.null(),
        }
    }
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
        let mut connection = connect(&parse_url(url)?).await?;
        // Millions of rows take as long as they take.
        sqlx::raw_sql(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
             SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'",
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

impl Database {
    /// Whether there is a project of this id.
    pub async fn has_project(&self, project: &ProjectId) -> Result<bool, Error> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM projects WHERE id = $1) AS "exists!""#,
            project.as_str(),
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
