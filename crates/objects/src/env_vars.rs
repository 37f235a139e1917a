//! The clouds' environment variables.
//!
//! A value that comes from a file or a secret often ends with a line break. So whitespace, control characters and a byte order
//! mark around a value are removed.

mod secrets;
mod unsupported;
mod validation;

use std::ffi::OsString;
use std::str::FromStr;

use crate::config::OpenError;
use crate::location::Cloud;

pub use secrets::secret_variables;
pub use unsupported::ignored_variables;

/// A set of environment variables. An empty variable counts as unset, because deployment files cannot omit one.
pub(crate) struct EnvVars(Vec<(String, String)>);

impl EnvVars {
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_set = |(_, value): &(String, String)| !trimmed(value).is_empty();
        Self(variables.into_iter().filter(is_set).collect())
    }

    /// The variables of this process. [`validate`](Self::validate) rejects the replacement characters of values that are not
    /// UTF-8.
    pub(crate) fn of_process() -> Self {
        let text = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        };
        Self::new(std::env::vars_os().filter_map(text))
    }

    /// The variables with this prefix that the client knows.
    pub(crate) fn keys<K: FromStr>(&self, prefix: &str) -> impl Iterator<Item = (K, &str)> {
        self.0.iter().filter_map(move |(name, value)| {
            let key = name
                .starts_with(prefix)
                .then(|| name.to_ascii_lowercase().parse().ok());
            Some((key??, trimmed(value)))
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| trimmed(value))
    }

    /// The first of these variables that is set.
    pub(crate) fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.get(name).is_some())
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        let on = ["1", "true", "on", "yes", "y"];
        self.get(name)
            .is_some_and(|value| on.contains(&value.to_ascii_lowercase().as_str()))
    }

    /// Validates the form of all variables of one cloud.
    pub(crate) fn validate(&self, cloud: Cloud) -> Result<(), OpenError> {
        let mut variables = self.0.iter();
        variables.try_for_each(|(name, raw)| validation::validate(cloud, name, raw, trimmed(raw)))
    }
}

fn trimmed(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
}

#[cfg(test)]
mod tests;
