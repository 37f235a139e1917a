//! The INSERT of a create. The same statement checks the limits of the project.
//!
//! The limits apply only to new exports. If they refuse the INSERT, the caller looks for an earlier export of
//! the same request before it reports [`Exceeded`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{Count, Exceeded, Limits, Rate};
use exports_postgres::is_foreign_key_violation;
use sqlx::PgExecutor;

use crate::error::Error;
use crate::exports::create::NewExport;
use crate::row::interval;

/// The limits of a project that a create checks. `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CreateLimits {
    /// Creates in a time, which begins with the first create.
    pub creates: Option<Rate>,
    /// Pending and processing exports.
    pub active: Option<Count>,
    /// Bytes of completed files that have not expired.
    pub stored_bytes: Option<Count>,
}

impl From<Limits> for CreateLimits {
    fn from(limits: Limits) -> Self {
        Self {
            creates: limits.creates.value(),
            active: limits.active.value(),
            stored_bytes: limits.stored_bytes.value(),
        }
    }
}

/// The result of the INSERT.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inserted {
    /// The export is new.
    New(DateTime<Utc>),
    /// Nothing was inserted: there is an export with this id or this idempotency key.
    Conflict,
    /// Nothing was inserted: a limit is reached. There may be an export with this id or this key, too.
    Exceeded(Exceeded),
}

struct InsertRow {
    created_at: Option<DateTime<Utc>>,
    active: Option<i64>,
    stored_bytes: Option<i64>,
    /// There was an export with this id or this key.
    exists: bool,
    /// This create is counted in the window.
    counted: bool,
    /// Seconds until the end of the window.
    window_left: Option<f64>,
}

/// Inserts the export if its project is within its limits.
///
/// | CTE        | yields |
/// |------------|--------|
/// | `earlier`  | the export of the same request, if there is one: it must not be counted again |
/// | `present`  | what the project has now, as far as it is limited |
/// | `admitted` | a row, unless a limit of that is reached |
/// | `counted`  | a row, if creates are limited and this one is within the window. The lock of the window's row makes concurrent creates exact |
/// | `created`  | the new export |
pub(super) async fn insert(
    executor: impl PgExecutor<'_>,
    new: &NewExport,
) -> Result<Inserted, Error> {
    let (filter, limits) = (&new.filter, new.limits);
    let period = limits.creates.map_or(Duration::ZERO, Rate::period);
    let row = sqlx::query_as!(
        InsertRow,
        r#"
        WITH earlier AS (
            SELECT id FROM exports WHERE id = $1
            UNION ALL
            SELECT id FROM exports WHERE project_id = $2 AND idempotency_key = $8
        ), present AS MATERIALIZED (
            SELECT CASE WHEN $9::int8 IS NOT NULL THEN exports_count_active($2, $9) END AS active,
                   CASE WHEN $10::int8 IS NOT NULL THEN (
                       SELECT coalesce(sum(file_size_bytes), 0)::int8 FROM exports
                       WHERE project_id = $2 AND status = 'completed' AND expires_at > (SELECT clock_timestamp())
                   ) END AS stored_bytes
        ), admitted AS MATERIALIZED (
            SELECT clock_timestamp() AS at FROM present
            WHERE coalesce(active < $9, true) AND coalesce(stored_bytes < $10, true)
        ), counted AS (
            INSERT INTO project_creates AS w (project_id, window_started_at, creates)
            SELECT $2, at, 1 FROM admitted WHERE $11::int8 IS NOT NULL AND NOT EXISTS (SELECT FROM earlier)
            ON CONFLICT (project_id) DO UPDATE
            SET creates = CASE WHEN w.window_started_at > excluded.window_started_at - $12::interval THEN w.creates + 1 ELSE 1 END,
                window_started_at = CASE WHEN w.window_started_at > excluded.window_started_at - $12::interval
                                    THEN w.window_started_at ELSE excluded.window_started_at END
            WHERE w.creates < $11 OR w.window_started_at <= excluded.window_started_at - $12::interval
            RETURNING project_id
        ), created AS (
            INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                                 filter_start_time, filter_end_time, filter_status,
                                 filter_endpoint_id, idempotency_key)
            SELECT $1, $2, at, at, 'pending', $3, $4, $5, $6, $7, $8
            FROM admitted WHERE $11 IS NULL OR EXISTS (SELECT FROM counted)
            ON CONFLICT DO NOTHING
            RETURNING created_at
        ), notified AS MATERIALIZED (
            SELECT created_at, pg_notify('exports_pending', '')::text AS notification FROM created
        )
        SELECT (SELECT created_at FROM notified WHERE notification IS NOT NULL) AS created_at,
               active, stored_bytes,
               EXISTS (SELECT FROM earlier) AS "exists!",
               EXISTS (SELECT FROM counted) AS "counted!",
               (SELECT extract(epoch FROM w.window_started_at + $12 - clock_timestamp())::float8
                FROM project_creates w WHERE w.project_id = $2 AND $11 IS NOT NULL) AS window_left
        FROM present
        "#,
        new.id.0,
        new.project.as_str(),
        filter.direction.as_str(),
        filter.range.start(),
        filter.range.end(),
        filter.status.map(exports_domain::MessageStatus::as_str),
        filter.endpoint.map(|endpoint| endpoint.0),
        new.idempotency_key.as_deref(),
        limits.active.map(Count::as_i64),
        limits.stored_bytes.map(Count::as_i64),
        limits.creates.map(|rate| i64::from(rate.count().get())),
        interval(period),
    )
    .fetch_one(executor)
    .await
    .map_err(|error| {
        if is_foreign_key_violation(&error) {
            Error::ProjectDeleted
        } else {
            error.into()
        }
    })?;
    Ok(match row.created_at {
        Some(created_at) => Inserted::New(created_at),
        None => exceeded(&row, limits).map_or(Inserted::Conflict, Inserted::Exceeded),
    })
}

fn exceeded(row: &InsertRow, limits: CreateLimits) -> Option<Exceeded> {
    let reached = |most: Count, present: Option<i64>| {
        present
            .is_some_and(|present| present >= most.as_i64())
            .then_some(most)
    };
    let CreateLimits {
        creates,
        active,
        stored_bytes,
    } = limits;
    if let Some(most) = active.and_then(|most| reached(most, row.active)) {
        return Some(Exceeded::Active(most));
    }
    if let Some(most) = stored_bytes.and_then(|most| reached(most, row.stored_bytes)) {
        return Some(Exceeded::StoredBytes(most));
    }
    let rate = creates.filter(|_| !row.counted && !row.exists)?;
    // The window may have begun after the statement.
    let left = row
        .window_left
        .and_then(|left| Duration::try_from_secs_f64(left).ok());
    Some(Exceeded::Creates {
        rate,
        retry_after: left.unwrap_or(rate.period()),
    })
}
