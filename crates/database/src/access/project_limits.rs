//! The limits that a project has of its own, instead of the settings of the API.

use std::str::FromStr;

use exports_domain::{Limit, LimitOverrides, ProjectId};

use crate::database::Database;
use crate::error::Error;

/// The columns of `projects` with its limits.
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub(super) struct LimitColumns {
    pub(super) limit_requests: Option<String>,
    pub(super) limit_creates: Option<String>,
    pub(super) limit_active: Option<String>,
    pub(super) limit_stored_bytes: Option<String>,
}

impl LimitColumns {
    pub(super) fn parse(self, project: &str) -> Result<LimitOverrides, Error> {
        Ok(LimitOverrides {
            requests: parse(project, "limit_requests", self.limit_requests)?,
            creates: parse(project, "limit_creates", self.limit_creates)?,
            active: parse(project, "limit_active", self.limit_active)?,
            stored_bytes: parse(project, "limit_stored_bytes", self.limit_stored_bytes)?,
        })
    }
}

fn parse<T>(
    project: &str,
    column: &'static str,
    value: Option<String>,
) -> Result<Option<Limit<T>>, Error>
where
    Limit<T>: FromStr,
{
    let Some(value) = value else {
        return Ok(None);
    };
    match value.parse() {
        Ok(limit) => Ok(Some(limit)),
        Err(_) => Err(Error::Corrupt {
            row: format!("project {project}"),
            column,
            value,
        }),
    }
}

impl Database {
    /// The limits that a project has of its own; `None` if the project does not exist.
    pub async fn project_limits(
        &self,
        project: &ProjectId,
    ) -> Result<Option<LimitOverrides>, Error> {
        let columns = sqlx::query_as!(
            LimitColumns,
            "SELECT limit_requests, limit_creates, limit_active, limit_stored_bytes FROM projects WHERE id = $1",
            project.as_str(),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        columns
            .map(|columns| columns.parse(project.as_str()))
            .transpose()
    }

    /// Replaces the limits of a project; `false` if the project does not exist. The API uses them within
    /// five seconds.
    pub async fn set_project_limits(
        &self,
        project: &ProjectId,
        limits: LimitOverrides,
    ) -> Result<bool, Error> {
        let set = sqlx::query!(
            r#"
            UPDATE projects
            SET limit_requests = $2, limit_creates = $3, limit_active = $4, limit_stored_bytes = $5
            WHERE id = $1
            "#,
            project.as_str(),
            limits.requests.map(|limit| limit.to_string()),
            limits.creates.map(|limit| limit.to_string()),
            limits.active.map(|limit| limit.to_string()),
            limits.stored_bytes.map(|limit| limit.to_string()),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(set.rows_affected() == 1)
    }
}
