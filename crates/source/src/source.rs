//! The database that contains the messages.

use exports_domain::{Direction, EndpointId, ProjectId};
use exports_postgres::{
    Client, ConnectedServer, PoolPurpose, PooledConnection, ServerInfo, UrlError,
};

use crate::error::Error;
use crate::session::SourceSession;
use crate::settings::RowSecurity;

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type as `PostgreSQL` writes it.
    pub type_name: String,
}

/// The database that messages and endpoints are read from.
#[derive(Debug, Clone)]
pub struct Source {
    client: Client,
    /// The service's database. The source may be a replica of it.
    primary: Client,
    row_security: RowSecurity,
}

impl Source {
    /// A source in the service's database.
    #[must_use]
    pub fn same_as(database: &Client) -> Self {
        Self {
            client: database.clone(),
            primary: database.clone(),
            row_security: RowSecurity::default(),
        }
    }

    /// Sets whether row-level security may hide rows.
    #[must_use]
    pub fn with_row_security(self, row_security: RowSecurity) -> Self {
        Self {
            row_security,
            ..self
        }
    }

    /// A source in another database, or in a replica of the service's `database`. Does not connect.
    pub fn at(url: &str, database: &Client, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Ok(Self {
            client: Client::read_only(url, purpose)?,
            primary: database.clone(),
            row_security: RowSecurity::default(),
        })
    }

    /// The client of the database.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Connects once outside the pool, so that an error has its exact reason.
    pub async fn check(&self) -> Result<ConnectedServer, Error> {
        Ok(self.client.check().await?)
    }

    /// Whether a project has an endpoint in a direction.
    pub async fn has_endpoint(
        &self,
        project: &ProjectId,
        direction: Direction,
        endpoint: EndpointId,
    ) -> Result<bool, Error> {
        self.client
            .repeatable(&(project, direction, endpoint), |connection, sought| {
                let (project, direction, endpoint) = *sought;
                Box::pin(has_endpoint(connection, project, direction, endpoint))
            })
            .await
    }

    /// Queries information about the server.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        Ok(self.client.server_info().await?)
    }

    /// The columns of a relation. Empty if the relation does not exist.
    pub async fn columns(&self, relation: &str) -> Result<Vec<Column>, Error> {
        Ok(sqlx::query_as!(
            Column,
            r#"
            SELECT attname::text AS "name!", format_type(atttypid, NULL) AS "type_name!"
            FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
            ORDER BY attnum
            "#,
            relation,
        )
        .fetch_all(&mut self.client.connection().await?)
        .await?)
    }

    /// Opens a session for one export.
    pub async fn open_session(&self) -> Result<SourceSession, Error> {
        SourceSession::open(&self.client, &self.primary, self.row_security).await
    }
}

async fn has_endpoint(
    connection: &mut PooledConnection,
    project: &ProjectId,
    direction: Direction,
    endpoint: EndpointId,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            -- The casts are for views with columns of other types; the collation is for those that
            -- take `A` for `a`.
            SELECT FROM endpoints
            WHERE id::uuid = $1 AND project_id::text = $2 AND project_id::text COLLATE "C" = $2
              AND direction::text = $3
        ) AS "exists!"
        "#,
        endpoint.0,
        project.as_str(),
        direction.as_str(),
    )
    .fetch_one(connection)
    .await?)
}
