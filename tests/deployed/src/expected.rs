//! The expected file of an export, from the database, without the worker's code.

use serde_json::Value;
use sqlx::{PgPool, Row};

const OUTBOUND: &[&str] = &[
    "message_id",
    "endpoint_id",
    "endpoint",
    "status",
    "attempt_count",
    "created_at",
    "delivered_at",
    "next_attempt_at",
    "response_status",
    "response_latency_ms",
    "last_error",
];
const INBOUND: &[&str] = &[
    "message_id",
    "inbound_endpoint_id",
    "endpoint",
    "status",
    "attempt_count",
    "received_at",
    "delivered_at",
    "next_attempt_at",
    "response_status",
    "response_latency_ms",
    "total_delivery_ms",
    "last_error",
];

/// Every field as text, formatted by the database. Free text that looks like a formula is escaped.
const CELLS: &str = r#"
    SELECT m.id::text,
           CASE m.direction WHEN 'outbound' THEN 'ep_' || replace(m.endpoint_id::text, '-', '')
                            ELSE m.endpoint_id::text END,
           e.url, m.status, m.attempt_count::text,
           to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           to_char(m.delivered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           to_char(m.next_attempt_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           m.response_status::text, m.response_latency_ms::text, m.total_delivery_ms::text,
           CASE WHEN m.last_error ~ '^[-=+@\t\r]' THEN '''' ELSE '' END || m.last_error
    FROM messages m LEFT JOIN endpoints e ON e.id = m.endpoint_id
    WHERE m.project_id = $1 AND m.direction = $2
      AND m.created_at BETWEEN $3::timestamptz AND $4::timestamptz
      AND ($5::text IS NULL OR m.status = $5)
      AND ($6::text IS NULL OR replace(m.endpoint_id::text, '-', '') = replace(replace($6, 'ep_', ''), '-', ''))
    ORDER BY m.created_at, m.id"#;

/// The position of `total_delivery_ms`, which outbound files do not have.
const INBOUND_ONLY: usize = 10;

/// The expected file of a request, and its number of rows.
pub(crate) async fn file_for(pool: &PgPool, project: &str, request: &Value) -> (Vec<u8>, usize) {
    let asked = |name: &str| request[name].as_str();
    let direction = asked("direction").unwrap_or("outbound");
    let rows = sqlx::query(CELLS)
        .bind(project)
        .bind(direction)
        .bind(asked("start_time"))
        .bind(asked("end_time"))
        .bind(asked("status"))
        .bind(asked("endpoint_id").or(asked("inbound_endpoint_id")))
        .fetch_all(pool)
        .await
        .expect("the rows of the file");
    let inbound = direction == "inbound";
    let mut csv = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    csv.write_record(if inbound { INBOUND } else { OUTBOUND })
        .expect("a header");
    for row in &rows {
        for place in (0..row.len()).filter(|place| inbound || *place != INBOUND_ONLY) {
            let cell: Option<&str> = row.get(place);
            csv.write_field(cell.unwrap_or_default()).expect("a cell");
        }
        csv.write_record(None::<&[u8]>).expect("the row's end");
    }
    (csv.into_inner().expect("the file"), rows.len())
}
