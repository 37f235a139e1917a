//! A database of the benchmark's own: its SQL, and the exports in its queue.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use exports_database::NewExport;
use exports_domain::{ExportId, MessageFilter};
use exports_postgres::PoolPurpose;
use exports_source::{TimeSlice, copy_statement};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use uuid::Uuid;

/// Between two looks at an export: its times are the database's, so this costs no accuracy.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// It goes with the scene; [`Scene::drop_database`](super::Scene::drop_database) frees its disk before.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    url: String,
    pool: PgPool,
    storage: exports_database::Database,
}

/// What is recorded of a completed export.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Exported {
    /// From its claim to `completed`, in seconds.
    pub(crate) seconds: f64,
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
    /// Of the file, in hex.
    pub(crate) sha256: String,
    /// Where the file lies in its store.
    pub(crate) object_key: String,
}

impl Database {
    pub(super) async fn connect(name: String, url: String) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect(&url)
            .await?;
        let storage = exports_database::Database::new(&url, PoolPurpose::Command)?;
        Ok(Self {
            name,
            url,
            pool,
            storage,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// For queries of the benchmark's own.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// What the service itself does to its database.
    pub(crate) fn storage(&self) -> &exports_database::Database {
        &self.storage
    }

    /// Runs statements, which take as long as they take. Each commits by itself if it is alone.
    pub(crate) async fn sql(&self, statements: impl Into<String>) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(statements.into()))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// As autovacuum would leave the messages, with nothing left to be written in the background.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.sql("VACUUM (ANALYZE) messages").await?;
        self.sql("CHECKPOINT").await
    }

    /// A query's plan, as a block of Markdown.
    pub(crate) async fn explain(&self, query: &str) -> Result<String> {
        let mut connection = self.pool.acquire().await?;
        plan(&mut connection, "COSTS off", query).await
    }

    /// What the server does for the worker's statement of a filter of `proj_bench`: once to fill
    /// its caches, then for the figures.
    pub(crate) async fn explain_export(&self, filter: &MessageFilter) -> Result<String> {
        let whole = TimeSlice::whole(&filter.range);
        let project = "proj_bench".parse()?;
        let copy = copy_statement(&project, filter, whole);
        let query = copy.strip_prefix("COPY (");
        let query = query.and_then(|rest| rest.strip_suffix(") TO STDOUT (FORMAT binary)"));
        let query = query.context("the worker's statement is no COPY of a query")?;
        let mut connection = self.pool.acquire().await?;
        sqlx::raw_sql("SET jit = off")
            .execute(&mut *connection)
            .await?;
        let options = "ANALYZE, BUFFERS, TIMING off, COSTS off, SUMMARY on";
        plan(&mut connection, options, query).await?;
        plan(&mut connection, options, query).await
    }

    /// The size of a table or an index, in bytes.
    pub(crate) async fn relation_size(&self, name: &str) -> Result<u64> {
        let size: i64 = sqlx::query_scalar("SELECT pg_relation_size($1::regclass)")
            .bind(name)
            .fetch_one(&self.pool)
            .await?;
        Ok(size.cast_unsigned())
    }

    /// Queues an export.
    pub(crate) async fn create_export(
        &self,
        project: &str,
        filter: &MessageFilter,
    ) -> Result<ExportId> {
        let id = ExportId::generate();
        let new = NewExport {
            id,
            project: project.parse()?,
            filter: filter.clone(),
            idempotency_key: None,
        };
        self.storage.create_export(&new).await?;
        Ok(id)
    }

    /// Waits until an export is completed. Anything else that it ends in is an error.
    pub(crate) async fn completed(&self, id: ExportId) -> Result<Exported> {
        let id = Uuid::parse_str(&id.to_string())?;
        loop {
            let (status, reason): (String, Option<String>) = sqlx::query_as(
                "SELECT status, coalesce(error_message, attempt_error) FROM exports WHERE id = $1",
            )
            .bind(id)
            .fetch_one(&self.pool)
            .await?;
            match status.as_str() {
                "completed" => break,
                "failed" => bail!("the export failed: {}", reason.unwrap_or_default()),
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        let exported = sqlx::query_as(
            "SELECT extract(epoch FROM completed_at - started_at)::float8 AS seconds, \
             row_count AS rows, file_size_bytes AS bytes, encode(sha256, 'hex') AS sha256, \
             object_key FROM exports WHERE id = $1",
        )
        .bind(id)
        .fetch_one(&self.pool)
        .await?;
        Ok(exported)
    }

    /// Queues an export and waits until a worker has completed it.
    pub(crate) async fn export(&self, project: &str, filter: &MessageFilter) -> Result<Exported> {
        let id = self.create_export(project, filter).await?;
        self.completed(id).await
    }

    pub(super) async fn close(self) {
        self.storage.close().await;
        self.pool.close().await;
    }
}

async fn plan(connection: &mut PgConnection, options: &str, query: &str) -> Result<String> {
    let explain = format!("EXPLAIN ({options}) {query}");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_all(connection)
        .await?;
    Ok(format!("```text\n{}\n```\n", lines.join("\n")))
}
