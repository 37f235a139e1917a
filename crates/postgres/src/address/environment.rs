//! What an address takes from the process: variables, the home directory, the user's name.

use std::collections::HashMap;
use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;

/// The process environment of an address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// The `PG*` variables.
    pub(crate) variables: HashMap<String, String>,
    pub(crate) home: Option<PathBuf>,
    /// The operating system user of this process.
    pub(crate) user: String,
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self {
            variables: variables
                .filter(|(name, _)| name.starts_with("PG"))
                .collect(),
            home: std::env::home_dir(),
            // sqlx queries the operating system. It has no other function for that.
            user: PgConnectOptions::new_without_pgpass()
                .get_username()
                .to_owned(),
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// A file in the home directory, if it exists.
    pub(crate) fn home_file(&self, name: &str) -> Option<PathBuf> {
        let path = self.home.as_ref()?.join(name);
        path.is_file().then_some(path)
    }
}
