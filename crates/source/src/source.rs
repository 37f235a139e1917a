//! The database that contains the messages.

use std::time::Duration;

use exports_domain::{Direction, EndpointId, ProjectId};
use exports_postgres::{
    Client, ConnectedServer, PoolPurpose, PooledConnection, ServerInfo, UrlError,
};
use uuid::Uuid;

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

/// The default of `EXPORTS_STALL_TIMEOUT`.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);

/// The database that messages and endpoints are read from.
#[derive(Debug, Clone)]
pub struct Source {
    client: Client,
    /// The service's database. The source may be a replica of it.
    primary: Client,
    row_security: RowSecurity,
    stall_timeout: Duration,
}

impl Source {
    /// A source in the service's database.
    #[must_use]
    pub fn same_as(database: &Client) -> Self {
        Self {
            client: database.clone(),
            primary: database.clone(),
            row_security: RowSecurity::default(),
            stall_timeout: STALL_TIMEOUT,
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

    /// Sets the time without rows after which a session asks whether the server still works.
    #[must_use]
    pub fn with_stall_timeout(self, stall_timeout: Duration) -> Self {
        Self {
            stall_timeout,
            ..self
        }
    }

    /// A source in another database, or in a replica of the service's `database`. Does not connect.
    pub fn at(url: &str, database: &Client, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Ok(Self {
            client: Client::read_only(url, purpose)?,
            primary: database.clone(),
            row_security: RowSecurity::default(),
            stall_timeout: STALL_TIMEOUT,
        })
    }

    /// The client of the database.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn row_security(&self) -> RowSecurity {
        self.row_security
    }

    /// Connects once outside the pool, so that an error has its exact reason.
    pub async fn check(&self) -> Result<ConnectedServer, Error> {
        Ok(self.client.check().await?)
    }

    /// Whether a project has each of these endpoints, which are distinct, in a direction.
    pub async fn has_endpoints(
        &self,
        project: &ProjectId,
        direction: Direction,
        endpoints: &[EndpointId],
    ) -> Result<bool, Error> {
        let ids: Vec<_> = endpoints.iter().map(|endpoint| endpoint.0).collect();
        self.client
            .repeatable(&(project, direction, &ids[..]), |connection, sought| {
                let (project, direction, ids) = *sought;
                Box::pin(has_endpoints(connection, project, direction, ids))
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
        let (client, primary) = (&self.client, &self.primary);
        SourceSession::open(client, primary, self.row_security, self.stall_timeout).await
    }
}

async fn has_endpoints(
    connection: &mut PooledConnection,
    project: &ProjectId,
    direction: Direction,
    ids: &[Uuid],
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        -- The casts are for views with columns of other types; the collation is for those that take
        -- `A` for `a`. In a view, an id may have several rows.
        SELECT count(DISTINCT id::uuid) = cardinality($1::uuid[]) AS "all!"
        FROM endpoints
        WHERE id::uuid = ANY ($1) AND project_id::text = $2 AND project_id::text COLLATE "C" = $2
          AND direction::text = $3
        "#,
        ids,
        project.as_str(),
        direction.as_str(),
    )
    .fetch_one(connection)
    .await?)
}
