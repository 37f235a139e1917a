//! The number of creates of a project in a time, over all API processes.
//!
//! A process reserves creates before it runs them. What it has reserved stays used: a deleted export does not give its
//! create back.

use std::time::Duration;

use exports_domain::{ProjectId, Rate};

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;

/// The result of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// Whether the creates are reserved.
    pub granted: bool,
    /// Time until the end of the window. Then reservations expire, and a new window begins with the next one.
    pub window_left: Duration,
}

impl Database {
    /// Reserves this many creates of a project, all or none. The window of a rate begins with the first reservation.
    pub async fn reserve_creates(
        &self,
        project: &ProjectId,
        rate: Rate,
        creates: u32,
    ) -> Result<Reserved, Error> {
        let row = sqlx::query!(
            r#"
            WITH reserved AS (
                -- The lock of the row makes concurrent reservations exact.
                INSERT INTO project_creates AS w (project_id, window_started_at, creates)
                VALUES ($1, clock_timestamp(), $2)
                ON CONFLICT (project_id) DO UPDATE
                SET creates = $2 + CASE WHEN w.window_started_at > excluded.window_started_at - $4::interval THEN w.creates ELSE 0 END,
                    window_started_at = CASE WHEN w.window_started_at > excluded.window_started_at - $4::interval
                                        THEN w.window_started_at ELSE excluded.window_started_at END
                WHERE w.creates + $2 <= $3::int8 OR w.window_started_at <= excluded.window_started_at - $4::interval
                RETURNING window_started_at
            )
            SELECT EXISTS (SELECT FROM reserved) AS "granted!",
                   extract(epoch FROM coalesce(
                       (SELECT window_started_at FROM reserved),
                       -- The window may have begun after this statement.
                       (SELECT window_started_at FROM project_creates WHERE project_id = $1),
                       clock_timestamp()) + $4 - clock_timestamp())::float8 AS "window_left!"
            "#,
            project.as_str(),
            i64::from(creates),
            i64::from(rate.count().get()),
            interval(rate.period()),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(Reserved {
            granted: row.granted,
            window_left: Duration::try_from_secs_f64(row.window_left).unwrap_or_default(),
        })
    }
}
