//! Inserts messages into the database, like the operator's platform.

use exports_tests::Message;
use sqlx::PgPool;

/// The project of every test; each has its own database.
pub const PROJECT: &str = "proj_abc123";

const START: &str = "2025-12-02T00:00:00Z";

/// Inserts this many small outbound messages; 200,000 make a file of several parts.
pub(crate) async fn insert(pool: &PgPool, count: u32) {
    Message::insert_many(pool, PROJECT, START, count).await;
}

/// Inserts this many outbound messages of 100,000 bytes each; 84 fill the first part of an upload.
pub(crate) async fn insert_large(pool: &PgPool, count: u32) {
    sqlx::query(
        "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at, last_error)
         SELECT gen_random_uuid(), $1, 'outbound', gen_random_uuid(), 'failed_permanent', 3,
                $2::timestamptz + n * interval '1 second', repeat(lpad(n::text, 8, '0'), 12500)
         FROM generate_series(1, $3) n",
    )
    .bind(PROJECT)
    .bind(START)
    .bind(i64::from(count))
    .execute(pool)
    .await
    .expect("large messages");
}
