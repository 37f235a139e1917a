//! Gets many exports at once, for those who wait for a change.

use chrono::{DateTime, Utc};
use exports_domain::{Export, ExportId, KeyId, ProjectId, error_line};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::exports::read::find_all;
use crate::row::known;

/// A key that is neither revoked nor expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidKey {
    /// The key.
    pub key: KeyId,
    /// Its project is suspended.
    pub is_suspended: bool,
}

impl Database {
    /// The exports with these ids, of any project, with their progress. A row with a value that is unknown to this
    /// version is left out.
    pub async fn get_exports(&self, ids: &[ExportId]) -> Result<Vec<Export>, Error> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let rows = self
            .repeatable(&ids[..], |connection, ids| {
                Box::pin(find_all(connection, ids))
            })
            .await?;
        let mut exports = Vec::with_capacity(rows.len());
        for row in rows {
            match Export::try_from(row) {
                Ok(export) => exports.push(export),
                Err(error) => tracing::error!(error = error_line(&error), "a row cannot be read"),
            }
        }
        self.add_progress(&mut exports).await?;
        Ok(exports)
    }

    /// The ids of the exports of these projects that are active or were created since, at most 1,000 of each.
    pub async fn recent_exports(
        &self,
        projects: &[ProjectId],
        since: DateTime<Utc>,
    ) -> Result<Vec<(ProjectId, ExportId)>, Error> {
        let names: Vec<_> = projects.iter().map(ToString::to_string).collect();
        let rows = self
            .repeatable(&(&names[..], since), |connection, (names, since)| {
                Box::pin(async move {
                    Ok::<_, Error>(
                        sqlx::query!(
                            r#"
                            SELECT project.id AS "project_id!", found.id AS "id!"
                            FROM unnest($1::text[]) project (id)
                            CROSS JOIN LATERAL (
                                (SELECT e.id FROM exports e
                                 WHERE e.project_id = project.id AND e.created_at >= $2
                                 ORDER BY e.created_at DESC, e.id DESC LIMIT 1000)
                                UNION
                                (SELECT e.id FROM exports e
                                 WHERE e.project_id = project.id AND e.status = 'pending'
                                 ORDER BY e.due_at, e.id LIMIT 1000)
                                UNION
                                (SELECT e.id FROM exports e
                                 WHERE e.project_id = project.id AND e.status = 'processing' LIMIT 1000)
                            ) found
                            "#,
                            names,
                            since,
                        )
                        .fetch_all(connection)
                        .await?,
                    )
                })
            })
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    known(row.id, "project_id", &row.project_id)?,
                    ExportId(row.id),
                ))
            })
            .collect()
    }

    /// Those of these keys that are valid now, and whether their projects are suspended.
    pub async fn valid_keys(&self, keys: &[KeyId]) -> Result<Vec<ValidKey>, Error> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        self.repeatable(&ids[..], |connection, ids| {
            Box::pin(async move {
                let rows = sqlx::query!(
                    r#"
                    SELECT k.id, p.suspended_at IS NOT NULL AS "is_suspended!"
                    FROM api_keys k JOIN projects p ON p.id = k.project_id
                    WHERE k.id = ANY ($1) AND k.revoked_at IS NULL
                      AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
                    "#,
                    ids,
                )
                .fetch_all(connection)
                .await?;
                let valid = rows.into_iter().map(|row| ValidKey {
                    key: KeyId(row.id),
                    is_suspended: row.is_suspended,
                });
                Ok(valid.collect())
            })
        })
        .await
    }
}
