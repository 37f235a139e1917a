//! Where messages and endpoints come from: the relations `messages` and `endpoints`, which other
//! systems write. They may be tables of ours or views of an operator's, in the service's own
//! database, in another one, or in a replica; their rows may be anything the column types allow.
//!
//! `query` writes the statements, `session` runs them under one snapshot, `snapshot` shares that with
//! other sessions, `replica` waits until a replica is up to date, `connection` is what they are sent
//! over (`bulk`, or sqlx's), `outlook` finds out how much there is to read, `slice` names a part of
//! it, `decode` reads the bytes.

mod bulk;
mod connection;
mod decode;
mod outlook;
mod query;
mod replica;
mod session;
mod slice;
mod snapshot;

use exports_domain::{Direction, EndpointId, ProjectId};
use sqlx::PgConnection;

use crate::database::{Database, PoolPurpose};
use crate::error::{Error, UrlError};

pub use connection::CopyRows;
pub use decode::{Decoder, MessageRow};
pub use outlook::Outlook;
pub use query::{UrlColumn, copy_statement};
pub use session::{EndpointUrls, Sample, SourceSession};
pub use slice::{PgTimestamp, Slice};
pub use snapshot::SnapshotId;

/// The database that messages and endpoints are read from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where they are.
    pub(crate) database: Database,
    /// The service's own: the primary, where the source is a replica of it.
    control: Database,
}

impl Source {
    /// Reads from `database` itself.
    #[must_use]
    pub fn same_as(database: &Database) -> Self {
        Self {
            database: database.clone(),
            control: database.clone(),
        }
    }

    /// Reads from another database, or from a replica of `database`. Does not connect.
    pub fn at(url: &str, database: &Database, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Ok(Self {
            database: Database::new(url, purpose)?,
            control: database.clone(),
        })
    }

    /// Connects once, for the reason why it fails.
    pub async fn check(&self) -> Result<(), Error> {
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
            .read(&(project, direction, endpoint), |connection, sought| {
                let (project, direction, endpoint) = *sought;
                Box::pin(has_endpoint(connection, project, direction, endpoint))
            })
            .await
    }

    /// Opens a session of its own, which belongs to one export at a time.
    pub async fn open_session(&self) -> Result<SourceSession, Error> {
        SourceSession::open(&self.database.options, &self.control).await
    }
}

async fn has_endpoint(
    connection: &mut PgConnection,
    project: &ProjectId,
    direction: Direction,
    endpoint: EndpointId,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            -- The cast is for views whose column is an enum.
            SELECT FROM endpoints WHERE id = $1 AND project_id = $2 AND direction::text = $3
        ) AS "exists!"
        "#,
        endpoint.0,
        project.as_str(),
        direction.as_str(),
    )
    .fetch_one(connection)
    .await?)
}
