//! The server of the tests: `TEST_DATABASE_URL`, else a private one.

use std::env::{VarError, var};

use url::Url;

use crate::address::with_database;
use crate::error::Error;
use crate::postgres::LocalPostgres;

const VARIABLE: &str = "TEST_DATABASE_URL";

/// The server in which tests create their databases.
#[derive(Debug)]
pub enum Server {
    /// The server of `TEST_DATABASE_URL`. It is not stopped.
    Given(Given),
    /// A private one.
    Private(LocalPostgres),
}

/// The URL in `TEST_DATABASE_URL`. `Debug` does not print it, because it can contain a password.
pub struct Given(Url);

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given(..)")
    }
}

impl Server {
    /// The server of `TEST_DATABASE_URL` if it is set and not empty, else [`LocalPostgres::start`].
    pub fn for_tests() -> Result<Self, Error> {
        let value = match var(VARIABLE) {
            Ok(value) => Some(value),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(_)) => return Err(unusable("it is not UTF-8")),
        };
        match value.filter(|value| !value.is_empty()) {
            Some(value) => given(&value).map(Self::Given),
            None => LocalPostgres::start().map(Self::Private),
        }
    }

    /// The URL of an existing database.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Given(Given(url)) => url.to_string(),
            Self::Private(postgres) => postgres.url(),
        }
    }

    /// The URL of a database, which need not exist yet. It keeps the parameters of a given URL.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        match self {
            Self::Given(Given(url)) => with_database(url, database),
            Self::Private(postgres) => postgres.url_for(database),
        }
    }

    /// The private server, which tests can stop and start; none if the server was given.
    #[must_use]
    pub fn private(&self) -> Option<&LocalPostgres> {
        match self {
            Self::Given(_) => None,
            Self::Private(postgres) => Some(postgres),
        }
    }
}

fn given(value: &str) -> Result<Given, Error> {
    let url = Url::parse(value).map_err(|error| unusable(&error.to_string()))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(unusable("the scheme is not postgres or postgresql"));
    }
    if url.cannot_be_a_base() {
        return Err(unusable("`//` is missing after the scheme"));
    }
    Ok(Given(url))
}

fn unusable(reason: &str) -> Error {
    Error::TestDatabaseUrl {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_another_database_keeps_the_parameters() {
        for (value, expected) in [
            (
                "postgres://u:p@db.internal:6432/main?sslmode=require",
                "postgres://u:p@db.internal:6432/t_1?sslmode=require",
            ),
            ("postgresql://db", "postgresql://db/t_1"),
            (
                "postgres:///main?host=/run/postgresql",
                "postgres:///t_1?host=/run/postgresql",
            ),
        ] {
            let server = Server::Given(given(value).unwrap());
            assert_eq!(server.url_for("t_1"), expected);
        }
    }

    #[test]
    fn an_invalid_url_is_rejected_without_printing_it() {
        for value in ["mysql://u:secret@h/d", "postgres:secret", "secret"] {
            let message = given(value).unwrap_err().to_string();
            assert!(message.contains(VARIABLE), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn the_password_is_not_printed() {
        let server = Server::Given(given("postgres://u:secret@h/d").unwrap());
        assert!(!format!("{server:?}").contains("secret"));
    }
}
