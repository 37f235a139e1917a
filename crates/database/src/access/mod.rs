//! Access control: projects and their API keys, and the database roles of the programs.

mod api_keys;
mod authentication;
mod dry_claim;
mod grants;
mod missing_rights;
mod project_limits;
mod projects;
mod rights;
mod rights_query;

pub use api_keys::{ApiKey, IssuedKey, NewKey, Rotated};
pub use authentication::Authenticated;
pub use grants::GrantError;
pub use missing_rights::{MissingRights, missing_source_rights};
pub use projects::{DeletedExports, Held, ListedProject, ProjectBefore};
pub use rights::Program;
