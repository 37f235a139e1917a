//! Projects: create, suspend, resume and delete.
//!
//! A suspension is one update of the project. From then on its keys are rejected, and the trigger of
//! migration 0006 holds every export of it that enters the queue. What was in the queue before, the
//! caller moves in batches ([`hold_exports`](Database::hold_exports)), so that no statement locks
//! many rows. Every step can be repeated after an interruption.

use chrono::{DateTime, Utc};
use exports_domain::{LimitOverrides, ProjectId};

use crate::access::project_limits::LimitColumns;
use crate::database::Database;
use crate::error::Error;
use exports_postgres::is_foreign_key_violation;

/// A project before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectBefore {
    /// Since when it was suspended; `None`: it was not.
    pub suspended_at: Option<DateTime<Utc>>,
}

/// A project in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedProject {
    /// Its id.
    pub id: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Since when it is suspended; `None`: it is not.
    pub suspended_at: Option<DateTime<Utc>>,
    /// The number of its keys that are valid now.
    pub keys: u64,
    /// The number of its pending and processing exports.
    pub active_exports: u64,
    /// The limits that it has of its own.
    pub limits: LimitOverrides,
}

struct ProjectRow {
    id: String,
    created_at: DateTime<Utc>,
    suspended_at: Option<DateTime<Utc>>,
    keys: i64,
    active_exports: i64,
    limit_requests: Option<String>,
    limit_creates: Option<String>,
    limit_active: Option<String>,
    limit_stored_bytes: Option<String>,
}

impl TryFrom<ProjectRow> for ListedProject {
    type Error = Error;

    fn try_from(row: ProjectRow) -> Result<Self, Error> {
        let columns = LimitColumns {
            limit_requests: row.limit_requests,
            limit_creates: row.limit_creates,
            limit_active: row.limit_active,
            limit_stored_bytes: row.limit_stored_bytes,
        };
        Ok(Self {
            limits: columns.parse(&row.id)?,
            id: row.id,
            created_at: row.created_at,
            suspended_at: row.suspended_at,
            keys: row.keys.unsigned_abs(),
            active_exports: row.active_exports.unsigned_abs(),
        })
    }
}

/// The exports that one batch of a suspension has held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// They were pending.
    pub pending: u64,
    /// They were processing. Their workers stop at the next heartbeat.
    pub processing: u64,
}

/// What one batch of the deletion of a project has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeletedExports {
    /// Records of exports.
    pub records: u64,
    /// Objects that are marked for deletion from the store, by a janitor.
    pub objects: u64,
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

    /// Lists all projects by id. Counts active exports by the partial indexes of the queue.
    pub async fn list_projects(&self) -> Result<Vec<ListedProject>, Error> {
        let rows = sqlx::query_as!(
            ProjectRow,
            r#"
            WITH active AS (
                SELECT project_id, sum(exports) AS exports FROM (
                    SELECT project_id, count(*) AS exports FROM exports WHERE status = 'pending' GROUP BY 1
                    UNION ALL
                    SELECT project_id, count(*) FROM exports WHERE status = 'processing' GROUP BY 1
                ) counted GROUP BY 1
            ), keys AS (
                SELECT project_id, count(*) AS keys FROM api_keys
                WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
                GROUP BY 1
            )
            SELECT p.id, p.created_at, p.suspended_at,
                   coalesce(keys.keys, 0) AS "keys!", coalesce(active.exports, 0)::bigint AS "active_exports!",
                   p.limit_requests, p.limit_creates, p.limit_active, p.limit_stored_bytes
            FROM projects p
            LEFT JOIN active ON active.project_id = p.id
            LEFT JOIN keys ON keys.project_id = p.id
            ORDER BY p.id
            "#,
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        rows.into_iter().map(ListedProject::try_from).collect()
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

    /// Suspends a project. `None` if it does not exist.
    ///
    /// Waits for creates that have begun: the trigger locks the project. So the exports of all of
    /// them are visible to the next statement.
    pub async fn suspend_project(
        &self,
        project: &ProjectId,
    ) -> Result<Option<ProjectBefore>, Error> {
        Ok(sqlx::query_as!(
            ProjectBefore,
            r#"
            WITH before AS (SELECT id, suspended_at FROM projects WHERE id = $1 FOR UPDATE)
            UPDATE projects p SET suspended_at = coalesce(p.suspended_at, clock_timestamp())
            FROM before WHERE p.id = before.id
            RETURNING before.suspended_at
            "#,
            project.as_str(),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?)
    }

    /// Holds up to `limit` exports of a suspended project: pending ones are not due any more, and
    /// processing ones are pending again, without the interrupted attempt. The worker of such an
    /// export loses its lease, and stops at its next heartbeat. Holds nothing if the project is not
    /// suspended (any more).
    pub async fn hold_exports(&self, project: &ProjectId, limit: u16) -> Result<Held, Error> {
        let held = sqlx::query!(
            r#"
            WITH active AS MATERIALIZED (
                SELECT id, status FROM exports
                WHERE project_id = $1 AND status IN ('pending', 'processing') AND resume_due_at IS NULL
                  AND EXISTS (SELECT FROM projects WHERE id = $1 AND suspended_at IS NOT NULL)
                LIMIT $2 FOR UPDATE
            ), held AS (
                -- The trigger moves due_at.
                UPDATE exports e
                SET status = 'pending', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), started_at = NULL,
                    attempt = CASE active.status WHEN 'processing' THEN e.attempt - 1 ELSE e.attempt END
                FROM active WHERE e.id = active.id AND e.status IN ('pending', 'processing')
                RETURNING e.id, active.status AS before
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM held)
            )
            SELECT count(*) FILTER (WHERE before = 'pending') AS "pending!",
                   count(*) FILTER (WHERE before = 'processing') AS "processing!"
            FROM held
            "#,
            project.as_str(),
            i64::from(limit),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(Held {
            pending: held.pending.unsigned_abs(),
            processing: held.processing.unsigned_abs(),
        })
    }

    /// Ends the suspension of a project. `None` if it does not exist.
    pub async fn resume_project(
        &self,
        project: &ProjectId,
    ) -> Result<Option<ProjectBefore>, Error> {
        Ok(sqlx::query_as!(
            ProjectBefore,
            r#"
            WITH before AS (SELECT id, suspended_at FROM projects WHERE id = $1 FOR UPDATE)
            UPDATE projects p SET suspended_at = NULL
            FROM before WHERE p.id = before.id
            RETURNING before.suspended_at
            "#,
            project.as_str(),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?)
    }

    /// Returns up to `limit` held exports of a project to the queue, due as before. None if it is
    /// suspended (again).
    pub async fn resume_exports(&self, project: &ProjectId, limit: u16) -> Result<u64, Error> {
        let resumed = sqlx::query!(
            r#"
            WITH held AS MATERIALIZED (
                SELECT id FROM exports
                WHERE project_id = $1 AND status = 'pending' AND resume_due_at IS NOT NULL
                  AND EXISTS (SELECT FROM projects WHERE id = $1 AND suspended_at IS NULL)
                LIMIT $2 FOR UPDATE
            ), resumed AS (
                -- The trigger clears resume_due_at.
                UPDATE exports SET due_at = resume_due_at
                WHERE id = ANY (ARRAY (SELECT id FROM held)) AND resume_due_at IS NOT NULL
                RETURNING id
            )
            SELECT count(*) AS "exports!",
                   CASE WHEN count(*) > 0 THEN pg_notify('exports_pending', '')::text END AS notified
            FROM resumed
            "#,
            project.as_str(),
            i64::from(limit),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(resumed.exports.unsigned_abs())
    }

    /// Deletes up to `limit` exports of a project, whatever their state, and marks their objects for
    /// deletion. A worker that holds one loses its lease.
    pub async fn delete_exports_of(
        &self,
        project: &ProjectId,
        limit: u16,
    ) -> Result<DeletedExports, Error> {
        let deleted = sqlx::query!(
            r#"
            WITH target AS MATERIALIZED (
                SELECT id FROM exports WHERE project_id = $1 LIMIT $2 FOR UPDATE
            ), deleted AS (
                DELETE FROM exports WHERE id = ANY (ARRAY (SELECT id FROM target)) RETURNING id
            ), doomed AS (
                -- No worker writes a finished file any more, so one deletion is enough for it.
                UPDATE export_objects
                SET state = 'doomed', sweep_at = clock_timestamp(),
                    sweeps_left = CASE state WHEN 'kept' THEN 1 ELSE sweeps_left END
                WHERE export_id = ANY (ARRAY (SELECT id FROM deleted)) AND state IN ('writing', 'kept')
                RETURNING key
            )
            SELECT (SELECT count(*) FROM deleted) AS "records!", (SELECT count(*) FROM doomed) AS "objects!"
            "#,
            project.as_str(),
            i64::from(limit),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(DeletedExports {
            records: deleted.records.unsigned_abs(),
            objects: deleted.objects.unsigned_abs(),
        })
    }

    /// Deletes up to `limit` keys of a project.
    pub async fn delete_keys_of(&self, project: &ProjectId, limit: u16) -> Result<u64, Error> {
        let deleted = sqlx::query!(
            r#"
            DELETE FROM api_keys WHERE id = ANY (ARRAY (
                SELECT id FROM api_keys WHERE project_id = $1 LIMIT $2 FOR UPDATE))
            "#,
            project.as_str(),
            i64::from(limit),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(deleted.rows_affected())
    }

    /// Deletes the project itself. `false` if a key or an export of it was created meanwhile.
    pub async fn delete_project(&self, project: &ProjectId) -> Result<bool, Error> {
        let deleted = sqlx::query!("DELETE FROM projects WHERE id = $1", project.as_str())
            .execute(&mut self.connection().await?)
            .await;
        match deleted {
            Ok(_) => Ok(true),
            Err(error) if is_foreign_key_violation(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How many objects of a project wait for their deletion by a janitor.
    pub async fn count_pending_deletions(&self, project: &ProjectId) -> Result<u64, Error> {
        let count = sqlx::query_scalar!(
            r#"
            SELECT count(*) AS "count!" FROM export_objects
            WHERE state = 'doomed' AND starts_with(key, $1 || '/')
            "#,
            project.as_str(),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(count.unsigned_abs())
    }
}
