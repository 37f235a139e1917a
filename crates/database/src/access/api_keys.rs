//! API keys: create, rotate, list and revoke. Only the SHA-256 of a key is stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{ProjectId, Scope};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;
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
    /// When it expires; `None`: it does not.
    pub expires_at: Option<DateTime<Utc>>,
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
    /// What it may do.
    pub scope: String,
    /// Time of expiry; after a rotation, the end of the overlap.
    pub expires_at: Option<DateTime<Utc>>,
    /// The key that rotation issued in its place.
    pub replaced_by: Option<Uuid>,
    /// Time of revocation.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The rights of a new key.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// The project that it gives access to.
    pub project: &'a ProjectId,
    /// The operator's label.
    pub label: Option<&'a str>,
    /// What it may do.
    pub scope: Scope,
    /// How long it is valid; `None`: it does not expire.
    pub valid_for: Option<Duration>,
}

/// The result of a rotation.
pub enum Rotated {
    /// The new key, and when the old one ends.
    Done {
        /// The new key.
        new: IssuedKey,
        /// The end of the old one.
        old_ends_at: DateTime<Utc>,
    },
    /// The key is revoked, expired or already replaced, or does not exist: nothing was done.
    NotActive,
}

impl Database {
    /// Creates a key with the scope `write` that does not expire; `None` if the project does not exist.
    pub async fn create_key(
        &self,
        project: &ProjectId,
        label: Option<&str>,
    ) -> Result<Option<IssuedKey>, Error> {
        let new = NewKey {
            project,
            label,
            scope: Scope::Write,
            valid_for: None,
        };
        self.issue_key(&new).await
    }

    /// Creates a key; `None` if the project does not exist.
    pub async fn issue_key(&self, new: &NewKey<'_>) -> Result<Option<IssuedKey>, Error> {
        let secret = new_secret();
        let inserted = sqlx::query!(
            r#"
            INSERT INTO api_keys (project_id, prefix, key_sha256, label, scope, created_at, expires_at)
            SELECT $1, $2, $3, $4, $5, now.at, now.at + $6 FROM (SELECT clock_timestamp() AS at) now
            RETURNING id, expires_at
            "#,
            new.project.as_str(),
            &secret[..VISIBLE],
            &sha256(&secret),
            new.label,
            new.scope.as_str(),
            new.valid_for.map(interval),
        )
        .fetch_one(&mut self.connection().await?)
        .await;
        match inserted {
            Ok(row) => Ok(Some(IssuedKey {
                id: row.id,
                secret,
                expires_at: row.expires_at,
            })),
            Err(error) if is_foreign_key_violation(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Issues a key with the project, label, scope and period of validity of the key `id`, which ends
    /// after `overlap`, or earlier if it expires earlier.
    pub async fn rotate_key(&self, id: Uuid, overlap: Duration) -> Result<Rotated, Error> {
        let secret = new_secret();
        let rotated = sqlx::query!(
            r#"
            WITH old AS (
                SELECT id, project_id, label, scope, expires_at - created_at AS valid_for, clock_timestamp() AS at
                FROM api_keys
                WHERE id = $1 AND revoked_at IS NULL AND replaced_by IS NULL
                  AND (expires_at IS NULL OR expires_at > clock_timestamp())
                FOR UPDATE
            ), new AS (
                INSERT INTO api_keys (project_id, prefix, key_sha256, label, scope, created_at, expires_at)
                SELECT project_id, $2, $3, label, scope, at, at + valid_for FROM old
                RETURNING id, expires_at
            ), ended AS (
                -- least() ignores null.
                UPDATE api_keys k SET expires_at = least(k.expires_at, old.at + $4::interval), replaced_by = new.id
                FROM old CROSS JOIN new WHERE k.id = old.id
                RETURNING k.expires_at
            )
            SELECT new.id, new.expires_at, ended.expires_at AS "old_ends_at!" FROM new CROSS JOIN ended
            "#,
            id,
            &secret[..VISIBLE],
            &sha256(&secret),
            interval(overlap),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        Ok(match rotated {
            None => Rotated::NotActive,
            Some(row) => Rotated::Done {
                new: IssuedKey {
                    id: row.id,
                    secret,
                    expires_at: row.expires_at,
                },
                old_ends_at: row.old_ends_at,
            },
        })
    }

    /// The keys of one project or of all projects, newest first.
    pub async fn list_keys(&self, project: Option<&ProjectId>) -> Result<Vec<ApiKey>, Error> {
        Ok(sqlx::query_as!(
            ApiKey,
            r#"
            SELECT id, project_id, prefix, label, created_at, last_used_at, scope, expires_at,
                   replaced_by, revoked_at
            FROM api_keys
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
            RETURNING id, project_id, prefix, label, created_at, last_used_at, scope, expires_at,
                      replaced_by, revoked_at
            "#,
            which,
            &sha256(which),
        )
        .fetch_all(&mut self.connection().await?)
        .await?)
    }
}

pub(super) fn sha256(text: &str) -> Vec<u8> {
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
