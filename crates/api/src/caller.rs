//! Who sends a request: the project, the key and what it may do.

use exports_database::Authenticated;
use exports_domain::{KeyId, LimitOverrides, ProjectId, Scope};

use crate::error::ApiError;

/// The caller of a request under `/v1`. The layer [`require_key`](crate::middleware::auth::require_key) puts it into the request's
/// extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) project: ProjectId,
    pub(crate) key: KeyId,
    pub(crate) scope: Scope,
    /// The limits that the project has of its own.
    pub(crate) limits: LimitOverrides,
}

impl Caller {
    /// An error if the caller's key may not do what needs this scope.
    pub(crate) fn require(&self, needed: Scope) -> Result<(), ApiError> {
        if self.scope.allows(needed) {
            Ok(())
        } else {
            Err(ApiError::ScopeTooNarrow { needed })
        }
    }
}

/// What a valid key gives access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) caller: Caller,
    /// The project is suspended, so every request is refused.
    pub(crate) suspended: bool,
}

impl From<Authenticated> for Access {
    fn from(confirmed: Authenticated) -> Self {
        Self {
            caller: Caller {
                project: confirmed.project,
                key: confirmed.key,
                scope: confirmed.scope,
                limits: confirmed.limits,
            },
            suspended: confirmed.suspended,
        }
    }
}
