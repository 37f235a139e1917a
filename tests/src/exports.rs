//! Rows of `exports` in any state, without a worker.

use std::fmt::Display;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use exports_domain::{Clock, ExportId, ExportStatus, Lease, LeaseToken, SystemClock};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use uuid::Uuid;

/// A row of `exports` that is valid in its state. By default it is one hour old.
///
/// Its times are relative to this machine's clock. A small difference to the database's clock does not matter, because the times
/// are minutes apart.
#[derive(Debug, Clone)]
pub struct ExportRow {
    columns: Map<String, Value>,
}

impl ExportRow {
    /// A row of this project in this state:
    ///
    /// - pending: due since its creation;
    /// - processing: first attempt, lease of one more minute, key `…/1-<token>.csv`;
    /// - completed and expired: 3 rows, 120 bytes, a SHA-256 of `0xab`; completed expires in a week,
    ///   expired has expired a minute ago;
    /// - failed: `INTERNAL_ERROR`, after one attempt.
    ///
    /// It has no row in `export_objects`: see [`insert_with_object`](Self::insert_with_object).
    #[must_use]
    pub fn of(project: impl Display, status: ExportStatus) -> Self {
        let created_at = ago(TimeDelta::hours(1));
        let Value::Object(columns) = json!({
            "id": Uuid::now_v7(),
            "project_id": project.to_string(),
            "created_at": created_at,
            "direction": "outbound",
            "filter_start_time": "2025-12-01T00:00:00Z",
            "filter_end_time": "2025-12-06T23:59:59Z",
            "status": status.as_str(),
            "attempt": 0,
            "takeovers": 0,
            "due_at": created_at,
        }) else {
            unreachable!("an object was written")
        };
        let row = Self { columns };
        match status {
            ExportStatus::Pending => row,
            ExportStatus::Processing => row
                .claimed()
                .with("lease_expires_at", ago(TimeDelta::minutes(-1)))
                .with("lease_owner", "worker-1"),
            ExportStatus::Completed => {
                let key = row.object_key();
                row.claimed()
                    .finished(TimeDelta::days(-7))
                    .with("object_key", key)
            }
            ExportStatus::Expired => row.claimed().finished(TimeDelta::minutes(1)),
            ExportStatus::Failed => row
                .claimed()
                .with("error_code", "INTERNAL_ERROR")
                .with("error_message", "The export failed. Please try again."),
        }
    }

    fn claimed(self) -> Self {
        let token = self.token().to_string();
        self.with("attempt", 1)
            .with("started_at", ago(TimeDelta::minutes(50)))
            .with("lease_token", token)
    }

    fn finished(self, ended: TimeDelta) -> Self {
        self.with("completed_at", ago(TimeDelta::minutes(40)))
            .with("expires_at", ago(ended))
            .with("row_count", 3)
            .with("file_size_bytes", 120)
            .with("sha256", format!("\\x{}", "ab".repeat(32)))
    }

    /// Sets any column; null unsets it.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.columns.insert(column.to_owned(), value.into());
        self
    }

    /// Sets a time column to this long ago; negative: in the future.
    #[must_use]
    pub fn with_ago(self, column: &str, before: TimeDelta) -> Self {
        self.with(column, ago(before))
    }

    /// The lease expired a second ago.
    #[must_use]
    pub fn lease_ended(self) -> Self {
        self.with_ago("lease_expires_at", TimeDelta::seconds(1))
    }

    /// The export's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        let id = self.columns["id"].as_str().and_then(|id| id.parse().ok());
        id.expect("the id is a UUID")
    }

    /// The lease that a worker of this row would have.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease {
            export: ExportId(self.id()),
            token: LeaseToken(self.token()),
        }
    }

    /// The object key of its first attempt.
    #[must_use]
    pub fn object_key(&self) -> String {
        let project = self.columns["project_id"].as_str().unwrap_or_default();
        format!("{project}/{}/1-{}.csv", self.id(), self.token())
    }

    /// The size of the file that a completed row describes.
    #[must_use]
    pub fn file_size(&self) -> Option<usize> {
        self.columns
            .get("object_key")
            .filter(|key| !key.is_null())?;
        let size = self.columns["file_size_bytes"].as_u64()?;
        usize::try_from(size).ok()
    }

    /// Derived from the id, so that a row and its clones have the same.
    fn token(&self) -> Uuid {
        Uuid::from_u128(self.id().as_u128() ^ 0xffff)
    }

    /// Inserts it; returns the database's error.
    pub async fn try_insert(&self, pool: &PgPool) -> Result<Uuid, sqlx::Error> {
        sqlx::query_scalar(
            "INSERT INTO exports SELECT * FROM jsonb_populate_record(NULL::exports, $1) RETURNING id",
        )
        .bind(Value::Object(self.columns.clone()))
        .fetch_one(pool)
        .await
    }

    /// Inserts it.
    pub async fn insert(&self, pool: &PgPool) -> Uuid {
        let inserted = self.try_insert(pool).await;
        inserted.unwrap_or_else(|error| panic!("a row of exports: {error}"))
    }

    /// Inserts it with the record of its object in this state: `writing`, `kept` or `doomed`.
    pub async fn insert_with_object(&self, pool: &PgPool, state: &str) -> Uuid {
        let id = self.insert(pool).await;
        sqlx::query(
            "INSERT INTO export_objects (key, export_id, state, sweep_at)
             VALUES ($1, $2, $3, CASE $3 WHEN 'doomed' THEN clock_timestamp() END)",
        )
        .bind(self.object_key())
        .bind(id)
        .bind(state)
        .execute(pool)
        .await
        .expect("a row of export_objects");
        id
    }
}

fn ago(before: TimeDelta) -> String {
    let time: DateTime<Utc> = SystemClock.now() - before;
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
