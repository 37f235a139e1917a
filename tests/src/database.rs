//! One database per test: cloned from a migrated template, and dropped at the end.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use exports_database::Database;
use exports_domain::ProjectId;
use exports_postgres::PoolPurpose;
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use url::Url;
use uuid::Uuid;

use crate::server::{Template, TestServer};

const ROLE_PASSWORD: &str = "the password of a tests role";

/// A database for one test. The drop removes it, even with open connections.
pub struct TestDatabase {
    name: String,
    url: String,
    pool: PgPool,
    server: &'static TestServer,
    _template: Option<Arc<Template>>,
}

impl TestDatabase {
    /// A migrated database.
    pub async fn create() -> Self {
        let server = TestServer::get().await;
        let template = server.template().await;
        Self::of(server, Some(template)).await
    }

    /// A database without tables.
    pub async fn empty() -> Self {
        Self::of(TestServer::get().await, None).await
    }

    async fn of(server: &'static TestServer, template: Option<Arc<Template>>) -> Self {
        let name = server.create_database(template.as_deref()).await;
        let url = server.url_for(&name);
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy(&url)
            .expect("the server's URL can be used");
        Self {
            name,
            url,
            pool,
            server,
            _template: template,
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of another database on the same server, which need not exist.
    #[must_use]
    pub fn url_of(&self, name: &str) -> String {
        self.server.url_for(name)
    }

    /// The code under test, with the API's pool: 16 connections.
    #[must_use]
    pub fn storage(&self) -> Database {
        self.storage_for(PoolPurpose::Api)
    }

    /// The code under test, with the pool of a program.
    #[must_use]
    pub fn storage_for(&self, purpose: PoolPurpose) -> Database {
        Database::new(&self.url, purpose).expect("the server's URL can be used")
    }

    /// The test's own pool, to read and prepare rows.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection for the test, for transactions and locks.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("the test's database accepts connections")
    }

    /// Runs statements without a result.
    pub async fn execute(&self, sql: impl Into<String>) {
        let sql = sql.into();
        sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The single value of a query, as JSON: `database.value("SELECT count(*) FROM exports")`.
    pub async fn value(&self, sql: &str) -> Value {
        let wrapped = format!("SELECT to_jsonb(found.value) FROM ({sql}) found (value)");
        let value: Option<Value> = sqlx::query_scalar(AssertSqlSafe(wrapped))
            .fetch_one(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        value.unwrap_or(Value::Null)
    }

    /// The rows of a query, as JSON objects.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        let wrapped = format!("SELECT to_jsonb(found) FROM ({sql}) found");
        sqlx::query_scalar(AssertSqlSafe(wrapped))
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// An export's whole row as text; `None` if it does not exist.
    pub async fn export_row(&self, id: Uuid) -> Option<String> {
        sqlx::query_scalar("SELECT row_to_json(e)::text FROM exports e WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .expect("exports can be read")
    }

    /// One column of an export.
    pub async fn export_column(&self, id: Uuid, column: &str) -> Value {
        let sql = format!("SELECT to_jsonb({column}) FROM exports WHERE id = $1");
        let value: Option<Value> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .expect("exports can be read");
        value.unwrap_or(Value::Null)
    }

    /// The time of the database's clock.
    pub async fn now(&self) -> DateTime<Utc> {
        sqlx::query_scalar("SELECT clock_timestamp()")
            .fetch_one(&self.pool)
            .await
            .expect("the database's time")
    }

    /// Creates a role without rights except login, and returns its name and its URL of this database. It is dropped with the
    /// database.
    pub async fn role(&self, suffix: &str) -> (String, String) {
        let name = format!("{}_{suffix}", self.name);
        let quoted = name.replace('"', "\"\"");
        let create = format!(r#"CREATE ROLE "{quoted}" LOGIN PASSWORD '{ROLE_PASSWORD}'"#);
        self.execute(create).await;
        let mut url: Url = self.url.parse().expect("the server's URL");
        url.set_username(&name)
            .and_then(|()| url.set_password(Some(ROLE_PASSWORD)))
            .expect("a URL with a host");
        (name, url.into())
    }

    /// Inserts a project, unless it exists.
    pub async fn project(&self, id: &str) -> ProjectId {
        let project: ProjectId = id.parse().expect("a well-formed project id");
        sqlx::query("INSERT INTO projects (id) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(id)
            .execute(&self.pool)
            .await
            .expect("a new project");
        project
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.server
            .drop_database_now(std::mem::take(&mut self.name));
    }
}
