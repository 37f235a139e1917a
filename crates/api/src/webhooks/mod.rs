//! The webhooks of a project: one file per endpoint.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deliveries;
pub(crate) mod enable;
pub(crate) mod get;
mod json;
pub(crate) mod list;
mod path;
pub(crate) mod rotate;
pub(crate) mod test;

use exports_database::Database;
use exports_domain::ProjectId;

use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::DocumentedErrors;
use crate::state::AppState;

/// The errors of a change of one webhook.
struct ChangeErrors;

impl DocumentedErrors for ChangeErrors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Runs a change to completion, even if the client disconnects: a cancelled statement may be committed.
async fn change<T, F>(
    state: &AppState,
    project: &ProjectId,
    statement: impl FnOnce(Database) -> F,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, exports_database::Error>> + Send + 'static,
{
    let share = state.pool_shares.take(project).await?;
    let statement = statement(state.database.clone());
    let changed = state.run_to_completion(async move {
        let _share = share;
        statement.await
    });
    Ok(changed.await??)
}
