//! Where messages and endpoints come from: the relations `messages` and `endpoints`, which other
//! systems write. They may be tables of ours or views of an operator's, in the service's own
//! database, in another one, or in a replica; their rows may be anything the column types allow.
//!
//! `catalogue` and `column` tell what the relations are, `query` writes the statements for them,
//! `session` runs these under one snapshot, `transaction` begins and ends it, `plan` tells what a
//! statement reads, `settings` prepares a session, `snapshot` shares a snapshot with other sessions, `replica` waits until a replica is up to date, `connection` is what they are sent
//! over (`bulk`), `outlook` finds out how much there is to read, `slice` names a part of
//! it, `decode` reads the bytes.

pub(crate) mod bulk;
mod catalogue;
mod column;
mod connection;
mod decode;
mod outlook;
mod plan;
mod query;
mod replica;
mod session;
mod settings;
mod slice;
mod snapshot;
mod transaction;

use exports_domain::{Direction, EndpointId, ProjectId};

use crate::database::{Database, PoolPurpose};
use crate::error::{Error, UrlError};
use crate::pool::PooledConnection;
use crate::route::Reached;

pub use catalogue::{Alone, Catalogue};
pub use connection::CopyRows;
pub use decode::{Decoder, MessageRow};
pub use outlook::Outlook;
pub use query::{UrlColumn, copy_statement};
pub use session::{EndpointUrls, Sample, SourceSession};
pub use settings::{RefusedSetting, RowSecurity};
pub use slice::{PgTimestamp, Slice};
pub use snapshot::SnapshotId;

/// The database that messages and endpoints are read from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where they are.
    pub(crate) database: Database,
    /// The service's own: the primary, where the source is a replica of it.
    control: Database,
    row_security: RowSecurity,
}

impl Source {
    /// Reads from `database` itself.
    #[must_use]
    pub fn same_as(database: &Database) -> Self {
        Self {
            database: database.clone(),
            control: database.clone(),
            row_security: RowSecurity::default(),
        }
    }

    /// Says what row-level security may do to exports.
    #[must_use]
    pub fn with_row_security(self, row_security: RowSecurity) -> Self {
        Self {
            row_security,
            ..self
        }
    }

    /// Reads from another database, or from a replica of `database`. Does not connect.
    pub fn at(url: &str, database: &Database, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Ok(Self {
            database: Database::read_only(url, purpose)?,
            control: database.clone(),
            row_security: RowSecurity::default(),
        })
    }

    /// Connects once, for the reason why it fails.
    pub async fn check(&self) -> Result<Reached, Error> {
        self.database.check().await
    }

    /// Whether a project has an endpoint in a direction.
    pub async fn has_endpoint(
        &self,
        project: &ProjectId,
        direction: Direction,
        endpoint: EndpointId,
    ) -> Result<bool, Error> {
        self.database
            .repeatable(&(project, direction, endpoint), |connection, sought| {
                let (project, direction, endpoint) = *sought;
                Box::pin(has_endpoint(connection, project, direction, endpoint))
            })
            .await
    }

    /// Opens a session of its own, which belongs to one export at a time.
    pub async fn open_session(&self) -> Result<SourceSession, Error> {
        let route = self.database.connector.route();
        SourceSession::open(route, &self.control, self.row_security).await
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
