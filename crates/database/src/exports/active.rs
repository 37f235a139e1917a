//! How many active exports a project has.

use exports_domain::ProjectId;

use crate::database::Database;
use crate::error::Error;

impl Database {
    /// The pending and processing exports of a project, counted up to `most`.
    pub async fn count_active(&self, project: &ProjectId, most: u64) -> Result<u64, Error> {
        let count = sqlx::query_scalar!(
            r#"SELECT exports_count_active($1, $2) AS "count!""#,
            project.as_str(),
            i64::try_from(most).unwrap_or(i64::MAX),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(count.unsigned_abs())
    }
}
