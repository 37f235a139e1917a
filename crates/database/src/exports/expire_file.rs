//! Expires a completed export early, because its file is missing from the store.

use exports_domain::ExportId;

use crate::database::Database;
use crate::error::Error;

impl Database {
    /// Expires an export that is completed with this object, now. A janitor then marks it as expired like
    /// any other. Returns `false` if it is not completed with this object, or has already expired.
    pub async fn expire_file(&self, id: ExportId, object_key: &str) -> Result<bool, Error> {
        let expired = sqlx::query!(
            r#"
            UPDATE exports
            -- A file expires after its completion (constraint exports_times), whatever the clock says.
            SET expires_at = greatest(clock_timestamp(), completed_at + interval '1 microsecond')
            WHERE id = $1 AND status = 'completed' AND object_key = $2 AND expires_at > clock_timestamp()
            "#,
            id.0,
            object_key,
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(expired.rows_affected() == 1)
    }
}
