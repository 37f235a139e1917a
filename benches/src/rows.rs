//! Messages by the million, made by the server itself: what is measured with them is what they
//! share, not what they say.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::{Direction, MessageFilter, TimeRange};

use crate::scene::Database;

/// Outbound messages, by what differs: SQL in terms of `n`, which counts from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) count: u64,
    pub(crate) id: &'a str,
    pub(crate) project: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) status: &'a str,
    /// Microseconds since [`start`].
    pub(crate) time: &'a str,
    pub(crate) error: &'a str,
}

/// The endpoint of message `n`: the k-th of a project's 24.
pub(crate) const ENDPOINT: &str = "lpad((n % 24)::text, 32, 'e')::uuid";

impl Default for Rows<'_> {
    /// Of one project, a tenth of a second apart, nearly all delivered at the first attempt.
    fn default() -> Self {
        Self {
            count: 0,
            // In the order of the times, as ids of version 7 are.
            id: "lpad(to_hex(n), 32, '0')::uuid",
            project: "'proj_bench'",
            endpoint: ENDPOINT,
            status: "CASE WHEN n % 20 = 7 THEN 'pending_retry' ELSE 'succeeded' END",
            time: "n * 100000",
            error: "CASE WHEN n % 20 = 7 THEN 'timeout: no response within 30 s' END",
        }
    }
}

/// When the first message was made.
pub(crate) fn start() -> DateTime<Utc> {
    // 2025-01-01, which is in chrono's range.
    DateTime::from_timestamp_secs(1_735_689_600).unwrap_or_default()
}

/// All outbound messages from so many microseconds after [`start`] to so many.
pub(crate) fn between(from: u64, to: u64) -> Result<MessageFilter> {
    let at = |micros: u64| start() + TimeDelta::microseconds(micros.cast_signed());
    Ok(MessageFilter {
        range: TimeRange::new(at(from), at(to))?,
        direction: Direction::Outbound,
        status: None,
        endpoint: None,
    })
}

/// Writes the messages into a database that has none, with the endpoints of `proj_bench`, and
/// leaves everything as autovacuum would.
///
/// The indexes are made afterwards, which takes a third of the time and gives the same indexes.
pub(crate) async fn fill(database: &Database, rows: Rows<'_>) -> Result<()> {
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT coalesce('ALTER TABLE messages DROP CONSTRAINT ' || conname, 'DROP INDEX ' || indexrelid::regclass), \
                coalesce('ALTER TABLE messages ADD ' || pg_get_constraintdef(c.oid), pg_get_indexdef(indexrelid)) \
         FROM pg_index LEFT JOIN pg_constraint c ON conindid = indexrelid \
         WHERE indrelid = 'messages'::regclass",
    )
    .fetch_all(database.pool())
    .await?;
    for (drop, _) in &indexes {
        database.sql(drop).await?;
    }
    database.sql(endpoints()).await?;
    database.sql(insert(rows)).await?;
    for (_, create) in &indexes {
        database.sql(create).await?;
    }
    database.settle().await
}

fn endpoints() -> String {
    format!(
        "INSERT INTO endpoints (id, project_id, direction, url, created_at) \
         SELECT {ENDPOINT}, 'proj_bench', 'outbound', 'https://hooks' || n || '.example/webhooks', now() \
         FROM generate_series(0, 23) n"
    )
}

fn insert(rows: Rows<'_>) -> String {
    let Rows {
        count,
        id,
        project,
        endpoint,
        status,
        time,
        error,
    } = rows;
    let start = start().timestamp();
    format!(
        "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at, \
             delivered_at, next_attempt_at, response_status, response_latency_ms, total_delivery_ms, last_error) \
         SELECT id, project, 'outbound', endpoint, status, 1, at, \
             CASE WHEN status = 'succeeded' THEN at + latency * interval '1 ms' END, \
             CASE WHEN status = 'pending_retry' THEN at + interval '35 s' END, \
             CASE WHEN status = 'succeeded' THEN 200 END, \
             CASE WHEN status = 'succeeded' THEN latency END, \
             CASE WHEN status = 'succeeded' THEN latency END, error \
         FROM (SELECT {id} AS id, {project} AS project, {endpoint} AS endpoint, {status} AS status, \
                   to_timestamp({start}) + ({time}) * interval '1 us' AS at, \
                   (20 + n % 200)::int AS latency, {error} AS error \
               FROM generate_series(0, {count}::bigint - 1) n OFFSET 0) made"
    )
}
