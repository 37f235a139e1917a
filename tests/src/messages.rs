//! Rows of the source: messages and endpoints, with defaults and any value that a test sets.

use std::fmt::Display;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

/// A UUID of a number: `uuid(7)` ends with `…0007`.
#[must_use]
pub const fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_5abc_0000_7000_8000_0000_0000_0000 | number)
}

/// A row of `messages`, by default queued on 2025-12-03 at noon. A clone has the same id; set it with [`id`](Self::id).
#[derive(Debug, Clone)]
pub struct Message(Value);

/// A row of `endpoints`.
#[derive(Debug, Clone)]
pub struct Endpoint(Value);

impl Message {
    /// An outbound message of a project, with a new id, to endpoint `uuid(0)`.
    #[must_use]
    pub fn outbound(project: impl Display) -> Self {
        Self::of(&project.to_string(), "outbound")
    }

    /// An inbound message.
    #[must_use]
    pub fn inbound(project: impl Display) -> Self {
        Self::of(&project.to_string(), "inbound")
    }

    fn of(project: &str, direction: &str) -> Self {
        Self(json!({
            "id": Uuid::now_v7(),
            "project_id": project,
            "direction": direction,
            "endpoint_id": uuid(0),
            "status": "queued",
            "attempt_count": 0,
            "created_at": "2025-12-03T12:00:00Z",
        }))
    }

    /// Sets any column, to any text that its type can parse (`.with("delivered_at", "infinity")`); null unsets it.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.0[column] = value.into();
        self
    }

    /// Its id.
    #[must_use]
    pub fn id(self, id: Uuid) -> Self {
        self.with("id", id.to_string())
    }

    /// When it was created (inbound: received).
    #[must_use]
    pub fn at(self, created_at: &str) -> Self {
        self.with("created_at", created_at)
    }

    /// Its status.
    #[must_use]
    pub fn status(self, status: &str) -> Self {
        self.with("status", status)
    }

    /// Its endpoint.
    #[must_use]
    pub fn endpoint(self, endpoint: Uuid) -> Self {
        self.with("endpoint_id", endpoint.to_string())
    }

    /// The last error.
    #[must_use]
    pub fn last_error(self, text: &str) -> Self {
        self.with("last_error", text)
    }

    /// The value of a column; null if it is not set.
    #[must_use]
    pub fn get(&self, column: &str) -> &Value {
        &self.0[column]
    }

    /// Inserts messages with one statement.
    pub async fn insert(pool: &PgPool, messages: &[Self]) {
        let rows = messages.iter().map(|message| message.0.clone()).collect();
        insert(pool, "messages", rows).await;
    }

    /// Inserts this many outbound messages, one second apart, from `start` on. The server generates them; every second one has an
    /// error text.
    pub async fn insert_many(pool: &PgPool, project: impl Display, start: &str, count: u32) {
        sqlx::query(
            "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at, last_error)
             SELECT gen_random_uuid(), $1, 'outbound', $2, 'succeeded', 1, $3::timestamptz + n * interval '1 second',
                    CASE n % 2 WHEN 0 THEN 'connection reset, \"again\"' END
             FROM generate_series(0, $4 - 1) n",
        )
        .bind(project.to_string())
        .bind(uuid(0))
        .bind(start)
        .bind(i64::from(count))
        .execute(pool)
        .await
        .expect("many messages");
    }
}

impl Endpoint {
    /// An outbound endpoint with this id and URL.
    #[must_use]
    pub fn outbound(project: impl Display, id: Uuid, url: &str) -> Self {
        Self::of(&project.to_string(), "outbound", id, url)
    }

    /// An inbound endpoint with this id and URL.
    #[must_use]
    pub fn inbound(project: impl Display, id: Uuid, url: &str) -> Self {
        Self::of(&project.to_string(), "inbound", id, url)
    }

    fn of(project: &str, direction: &str, id: Uuid, url: &str) -> Self {
        Self(json!({
            "id": id,
            "project_id": project,
            "direction": direction,
            "url": url,
            "created_at": "2025-11-01T00:00:00Z",
        }))
    }

    /// Sets any column.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.0[column] = value.into();
        self
    }

    /// Inserts endpoints with one statement.
    pub async fn insert(pool: &PgPool, endpoints: &[Self]) {
        let rows = endpoints
            .iter()
            .map(|endpoint| endpoint.0.clone())
            .collect();
        insert(pool, "endpoints", rows).await;
    }
}

async fn insert(pool: &PgPool, table: &'static str, rows: Vec<Value>) {
    let sql =
        format!("INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1)");
    sqlx::query(AssertSqlSafe(sql))
        .bind(Value::Array(rows))
        .execute(pool)
        .await
        .unwrap_or_else(|error| panic!("rows for {table}: {error}"));
}
