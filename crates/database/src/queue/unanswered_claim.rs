//! The exports of a claim whose answer was lost.

use exports_domain::LeaseToken;

use crate::database::Database;
use crate::error::Error;
use crate::queue::claim::{Claim, ClaimRow};

impl Database {
    /// The exports that were claimed with this token, if their leases have not expired. Changes nothing.
    ///
    /// A claim that was sent and is still being executed is not seen. Its exports wait for the expiry of their leases.
    pub(super) async fn claimed_with(&self, token: LeaseToken) -> Result<Vec<Claim>, Error> {
        let rows = sqlx::query_as!(
            ClaimRow,
            r#"
            SELECT e.id, e.project_id, e.direction, e.filter_start_time, e.filter_end_time, e.filter_status,
                   e.filter_statuses, e.filter_endpoint_id, e.filter_endpoint_ids, e.attempt, e.traceparent,
                   e.file_options::text AS file_options,
                   e.lease_token AS "lease_token!",
                   o.key AS "object_key!",
                   extract(epoch FROM e.started_at - e.due_at)::float8 AS "waited!",
                   e.takeovers > 0 AS "taken_over!",
                   -- Not known any more. The slot then counts as one that was free, until the export ends.
                   false AS "borrows_slot!"
            FROM exports e JOIN export_objects o ON o.export_id = e.id AND o.state = 'writing'
            WHERE e.status = 'processing' AND e.lease_token = $1 AND e.lease_expires_at > clock_timestamp()
            "#,
            token.0,
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        rows.into_iter().map(Claim::try_from).collect()
    }
}
