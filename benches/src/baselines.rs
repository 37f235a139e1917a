//! The baselines of an export: queries and commands of `psql`.

use exports_domain::{MessageFilter, ProjectId, time};
use exports_source::{TimeSlice, copy_statement};

/// A time column in the format of the file.
fn rfc3339(column: &str) -> String {
    format!(
        r#"to_char(m.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS {column}"#
    )
}

/// Which messages an export has, also in other dialects of SQL.
pub(crate) fn condition(project: &str, filter: &MessageFilter) -> String {
    format!(
        "m.project_id = '{project}' AND m.direction = '{}' AND m.created_at >= '{}' AND m.created_at <= '{}'",
        filter.direction.as_str(),
        time::to_wire(filter.range.start()),
        time::to_wire(filter.range.end()),
    )
}

/// A query whose result, written by `\copy`, equals the file of an outbound export.
pub(crate) fn same_fields(project: &str, filter: &MessageFilter) -> String {
    format!(
        "SELECT m.id AS message_id, 'ep_' || replace(m.endpoint_id::text, '-', '') AS endpoint_id, \
         e.url AS endpoint, m.status, m.attempt_count, {}, {}, {}, m.response_status, \
         m.response_latency_ms, m.last_error \
         FROM messages m LEFT JOIN endpoints e ON e.id = m.endpoint_id WHERE {} \
         ORDER BY m.created_at, m.id",
        rfc3339("created_at"),
        rfc3339("delivered_at"),
        rfc3339("next_attempt_at"),
        condition(project, filter),
    )
}

/// The same rows in the same order, without join and formatting.
pub(crate) fn plain_columns(project: &str, filter: &MessageFilter) -> String {
    format!(
        "SELECT m.id, m.endpoint_id, m.status, m.attempt_count, m.created_at, m.delivered_at, \
         m.next_attempt_at, m.response_status, m.response_latency_ms, m.last_error \
         FROM messages m WHERE {} ORDER BY m.created_at, m.id",
        condition(project, filter),
    )
}

/// `\copy` of a query into a file, for `psql -c`.
pub(crate) fn copy(query: &str, file: &str) -> String {
    format!(r"\copy ({query}) to '{file}' with (format csv, header)")
}

/// `\copy` of a query to standard output, for `psql -c`.
pub(crate) fn copy_out(query: &str) -> String {
    format!(r"\copy ({query}) to stdout with (format csv, header)")
}

/// The worker's statement with the worker's settings: the maximum of one connection to this server.
pub(crate) fn binary_copy(project: &ProjectId, filter: &MessageFilter) -> [String; 2] {
    let whole = TimeSlice::whole(&filter.range);
    [
        "SET jit = off".to_owned(),
        copy_statement(project, filter, whole),
    ]
}
