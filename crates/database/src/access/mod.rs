//! Access control: projects and their API keys, and the database roles of the programs.

mod api_keys;
mod grants;
mod rights;

pub use api_keys::{ApiKey, Authenticated, IssuedKey};
pub use grants::GrantError;
pub use rights::Program;
