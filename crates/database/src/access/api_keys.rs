//! Projects and their API keys. Only the SHA-256 of a key is stored.

use chrono::{DateTime, Utc};
use exports_domain::ProjectId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use exports_postgres::PooledConnection;
use exports_postgres::is_foreign_key_violation;

/// The prefix of every key, so that people and secret scanners recognize one.
const KEY_PREFIX: &str = "exk_";
/// Length of the stored, visible prefix: `exk_` and 8 of the 64 digits.
const VISIBLE: usize = KEY_PREFIX.len() + 8;

/// A new key. Its secret cannot be shown again.
pub struct IssuedKey {
    /// Its id, for revoking it.
    pub id: Uuid,
    /// The key itself: `exk_` and 64 hex digits, 256 random bits.
    pub secret: String,
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, for revoking it.
    pub id: Uuid,
    /// The project that it gives access to.
    pub project_id: String,
    /// The first characters of the secret.
    pub prefix: String,
    /// The operator's label.
    pub label: Option<String>,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last use, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Time of revocation.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Database {
    /// Whether the project exists.
    pub async fn has_project(&self, project: &ProjectId) -> Result<bool, Error> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM projects WHERE id = $1) AS "exists!""#,
            project.as_str(),
        )
        .fetch_one(&mut self.connection().await?)
        .await?)
    }

    /// Creates a project; `false` if it existed already.
    pub async fn create_project(&self, project: &ProjectId) -> Result<bool, Error> {
        let created = sqlx::query!(
            "INSERT INTO projects (id) VALUES ($1) ON CONFLICT DO NOTHING",
            project.as_str(),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(created.rows_affected() == 1)
    }

    /// Creates a key; `None` if the project does not exist.
    pub async fn create_key(
        &self,
        project: &ProjectId,
        label: Option<&str>,
    ) -> Result<Option<IssuedKey>, Error> {
        let secret = new_secret();
        let inserted = sqlx::query_scalar!(
            "INSERT INTO api_keys (project_id, prefix, key_sha256, label) VALUES ($1, $2, $3, $4) RETURNING id",
            project.as_str(),
            &secret[..VISIBLE],
            &sha256(&secret),
            label,
        )
        .fetch_one(&mut self.connection().await?)
        .await;
        match inserted {
            Ok(id) => Ok(Some(IssuedKey { id, secret })),
            Err(error) if is_foreign_key_violation(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The keys of one project or of all projects, newest first.
    pub async fn list_keys(&self, project: Option<&ProjectId>) -> Result<Vec<ApiKey>, Error> {
        Ok(sqlx::query_as!(
            ApiKey,
            r#"
            SELECT id, project_id, prefix, label, created_at, last_used_at, revoked_at FROM api_keys
            WHERE $1::text IS NULL OR project_id = $1
            ORDER BY created_at DESC, id
            "#,
            project.map(ProjectId::as_str),
        )
        .fetch_all(&mut self.connection().await?)
        .await?)
    }

    /// Revokes the keys with this id, secret or visible prefix.
    pub async fn revoke_keys(&self, which: &str) -> Result<Vec<ApiKey>, Error> {
        Ok(sqlx::query_as!(
            ApiKey,
            r#"
            UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
            WHERE id::text = $1 OR key_sha256 = $2 OR prefix = $1
            RETURNING id, project_id, prefix, label, created_at, last_used_at, revoked_at
            "#,
            which,
            &sha256(which),
        )
        .fetch_all(&mut self.connection().await?)
        .await?)
    }

    /// The project of a key; `None` if the key is unknown or revoked.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<ProjectId>, Error> {
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
        crate::row::known(key.id, "project_id", &key.project_id).map(Some)
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
    /// `last_used_at` is more than a minute old.
    stale: bool,
}

async fn find_key(
    connection: &mut PooledConnection,
    sha256: &[u8],
) -> Result<Option<KeyRow>, Error> {
    Ok(sqlx::query_as!(
        KeyRow,
        r#"
        SELECT id, project_id,
               last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute' AS "stale!"
        FROM api_keys WHERE key_sha256 = $1 AND revoked_at IS NULL
        "#,
        sha256,
    )
    .fetch_optional(connection)
    .await?)
}

fn sha256(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

fn new_secret() -> String {
    let random: [u8; 32] = rand::random();
    let digits = random.map(|byte| format!("{byte:02x}")).concat();
    format!("{KEY_PREFIX}{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_prefix_and_is_random() {
        let (one, other) = (new_secret(), new_secret());
        assert!(one.starts_with("exk_") && one.len() == 68, "{one}");
        assert_ne!(one, other);
    }
}
