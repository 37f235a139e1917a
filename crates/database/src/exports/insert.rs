//! The INSERT of a create. The same statement checks the limits of the project.
//!
//! The limits apply only to new exports. If they refuse the INSERT, the caller looks for an earlier export of
//! the same request before it reports [`Exceeded`].

use chrono::{DateTime, Utc};
use exports_domain::{Count, Exceeded, Label, Limits};
use exports_postgres::is_foreign_key_violation;
use sqlx::PgExecutor;

use crate::error::Error;
use crate::exports::create::NewExport;
use crate::file_options;

/// The limits of a project that a create checks. `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CreateLimits {
    /// Pending and processing exports.
    pub active: Option<Count>,
    /// Bytes of completed files that have not expired.
    pub stored_bytes: Option<Count>,
}

impl From<Limits> for CreateLimits {
    fn from(limits: Limits) -> Self {
        Self {
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
}

/// Inserts the export if its project is within its limits.
///
/// | CTE        | yields |
/// |------------|--------|
/// | `present`  | what the project has now, as far as it is limited |
/// | `admitted` | a row, unless a limit of that is reached |
/// | `created`  | the new export, unless there is one with this id or this key |
pub(super) async fn insert(
    executor: impl PgExecutor<'_>,
    new: &NewExport,
) -> Result<Inserted, Error> {
    let (filter, limits) = (&new.filter, new.limits);
    let statuses = filter.status.list();
    let statuses: Option<Vec<_>> = statuses.map(|list| list.iter().map(|it| it.as_str()).collect());
    let endpoints = filter.endpoint.list();
    let endpoints: Option<Vec<_>> = endpoints.map(|list| list.iter().map(|it| it.0).collect());
    let row = sqlx::query_as!(
        InsertRow,
        r#"
        WITH present AS MATERIALIZED (
            SELECT CASE WHEN $9::int8 IS NOT NULL THEN exports_count_active($2, $9) END AS active,
                   CASE WHEN $10::int8 IS NOT NULL THEN (
                       SELECT coalesce(sum(file_size_bytes), 0)::int8 FROM exports
                       WHERE project_id = $2 AND status = 'completed' AND expires_at > (SELECT clock_timestamp())
                   ) END AS stored_bytes
        ), admitted AS MATERIALIZED (
            SELECT clock_timestamp() AS at FROM present
            WHERE coalesce(active < $9, true) AND coalesce(stored_bytes < $10, true)
        ), created AS (
            INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                                 filter_start_time, filter_end_time, filter_status, filter_statuses,
                                 filter_endpoint_id, filter_endpoint_ids, idempotency_key, traceparent,
                                 label, retry_of, file_options, file_extension)
            SELECT $1, $2, at, at, 'pending', $3, $4, $5, $6, $11::text[], $7, $12::uuid[], $8, $13, $14, $15,
                   $16::text::jsonb, $17 FROM admitted
            ON CONFLICT DO NOTHING
            RETURNING created_at
        ), notified AS MATERIALIZED (
            SELECT created_at, pg_notify('exports_pending', '')::text AS notification FROM created
        )
        SELECT (SELECT created_at FROM notified WHERE notification IS NOT NULL) AS created_at,
               active, stored_bytes
        FROM present
        "#,
        new.id.0,
        new.project.as_str(),
        filter.direction.as_str(),
        filter.range.start(),
        filter.range.end(),
        filter.status.one().map(|status| status.as_str()),
        filter.endpoint.one().map(|endpoint| endpoint.0),
        new.idempotency_key.as_deref(),
        limits.active.map(Count::as_i64),
        limits.stored_bytes.map(Count::as_i64),
        statuses.as_deref() as Option<&[&str]>,
        endpoints.as_deref(),
        new.traceparent.map(|position| position.to_string()),
        new.label.as_ref().map(Label::as_str),
        new.retry_of.map(|export| export.0),
        file_options::text(&new.options),
        (!new.options.is_plain()).then(|| new.options.extension()),
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
    if let Some(most) = limits.active.and_then(|most| reached(most, row.active)) {
        return Some(Exceeded::Active(most));
    }
    let most = limits.stored_bytes?;
    reached(most, row.stored_bytes).map(Exceeded::StoredBytes)
}
