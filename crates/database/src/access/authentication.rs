//! Checks API keys. Runs for every request whose key is not in the API's cache.

use std::time::Duration;

use exports_domain::{KeyId, LimitOverrides, ProjectId, Scope};
use uuid::Uuid;

use crate::access::api_keys::sha256;
use crate::access::project_limits::LimitColumns;
use crate::database::Database;
use crate::error::Error;
use crate::row::known;
use exports_postgres::PooledConnection;

/// What a valid key gives access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The key's id.
    pub key: KeyId,
    /// Its project.
    pub project: ProjectId,
    /// What it may do.
    pub scope: Scope,
    /// Time until it expires, by the database's clock; `None`: it does not expire.
    pub remaining: Option<Duration>,
    /// The project is suspended: the key is valid, but nothing is allowed.
    pub suspended: bool,
    /// The limits that the project has of its own.
    pub limits: LimitOverrides,
}

impl Database {
    /// What a key gives access to; `None` if the key is unknown, revoked or expired.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Authenticated>, Error> {
        let digest = sha256(secret);
        let key = self.repeatable(&digest[..], |connection, sha256| {
            Box::pin(find_key(connection, sha256))
        });
        let Some(key) = key.await? else {
            return Ok(None);
        };
        if key.stale {
            // Only informational: the request continues if it fails.
            if let Err(error) = self.record_use(key.id).await {
                tracing::debug!(key.id = %key.id, %error, "cannot record the last use of an API key");
            }
        }
        Authenticated::try_from(key).map(Some)
    }

    async fn record_use(&self, id: Uuid) -> Result<(), Error> {
        sqlx::query!(
            r#"
            UPDATE api_keys SET last_used_at = clock_timestamp()
            WHERE id = (SELECT id FROM api_keys WHERE id = $1
                        AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
                        FOR UPDATE SKIP LOCKED)
            "#,
            id,
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(())
    }
}

/// The row of a valid key.
struct KeyRow {
    id: Uuid,
    project_id: String,
    scope: String,
    remaining: Option<f64>,
    suspended: bool,
    /// `last_used_at` is more than a minute old.
    stale: bool,
    limit_requests: Option<String>,
    limit_creates: Option<String>,
    limit_active: Option<String>,
    limit_stored_bytes: Option<String>,
}

impl TryFrom<KeyRow> for Authenticated {
    type Error = Error;

    fn try_from(row: KeyRow) -> Result<Self, Error> {
        let limits = LimitColumns {
            limit_requests: row.limit_requests,
            limit_creates: row.limit_creates,
            limit_active: row.limit_active,
            limit_stored_bytes: row.limit_stored_bytes,
        };
        Ok(Self {
            limits: limits.parse(&row.project_id)?,
            key: KeyId(row.id),
            project: known(row.id, "project_id", &row.project_id)?,
            scope: known(row.id, "scope", &row.scope)?,
            remaining: row
                .remaining
                .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
            suspended: row.suspended,
        })
    }
}

async fn find_key(
    connection: &mut PooledConnection,
    sha256: &[u8],
) -> Result<Option<KeyRow>, Error> {
    Ok(sqlx::query_as!(
        KeyRow,
        r#"
        SELECT k.id, k.project_id, k.scope,
               extract(epoch FROM k.expires_at - clock_timestamp())::float8 AS remaining,
               p.suspended_at IS NOT NULL AS "suspended!",
               k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - interval '1 minute' AS "stale!",
               p.limit_requests, p.limit_creates, p.limit_active, p.limit_stored_bytes
        FROM api_keys k JOIN projects p ON p.id = k.project_id
        WHERE k.key_sha256 = $1 AND k.revoked_at IS NULL
          AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
        "#,
        sha256,
    )
    .fetch_optional(connection)
    .await?)
}
