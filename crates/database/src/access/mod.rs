//! Access control: projects and their API keys, and the database roles of the programs.

mod api_keys;
mod grants;

pub use api_keys::{ApiKey, IssuedKey};
pub use grants::{GrantError, Program};
