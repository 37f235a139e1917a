//! Whether the database roles of a program may do what the program does.

use exports_database::{Database, Error, MissingRights, Program, missing_source_rights};
use exports_domain::error_line;
use exports_postgres::{Client, StatementError};

/// `insufficient_privilege`.
const FORBIDDEN: &str = "42501";

/// The roles with which a program is connected. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Rights {
    program: Program,
    database: Database,
    /// The database of the messages, if it is another one.
    source: Option<Client>,
}

/// A statement was refused because of rights.
#[must_use]
pub fn is_forbidden(error: &impl StatementError) -> bool {
    let state = error
        .postgres()
        .and_then(exports_postgres::Error::sql_state);
    state.as_deref() == Some(FORBIDDEN)
}

impl Rights {
    /// Those of `program`. `source`: the database of the messages, if it is another one.
    #[must_use]
    pub fn new(program: Program, database: Database, source: Option<Client>) -> Self {
        Self {
            program,
            database,
            source,
        }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> Program {
        self.program
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// What the role lacks in the service's database.
    pub async fn missing(&self) -> Result<Option<MissingRights>, Error> {
        let with_source = self.source.is_none();
        self.database
            .missing_rights(self.program, None, with_source)
            .await
    }

    /// What the role lacks in the database of the messages, if it is another one.
    pub async fn missing_of_source(&self) -> Result<Option<MissingRights>, Error> {
        match &self.source {
            None => Ok(None),
            Some(source) => missing_source_rights(source, self.program, None).await,
        }
    }

    /// The reason of an error for the log, as one line. If the server has refused the statement because of
    /// missing rights, it names all of them and the command that grants them.
    pub async fn reason(&self, error: &(impl StatementError + std::error::Error)) -> String {
        let named = if is_forbidden(error) {
            self.named().await
        } else {
            None
        };
        named.unwrap_or_else(|| error_line(error))
    }

    /// All missing rights as one line. `None` if none are missing, or if that is unknown.
    pub async fn named(&self) -> Option<String> {
        let here = self.missing().await.ok().flatten();
        let there = self.missing_of_source().await.ok().flatten();
        let lines: Vec<_> = [here, there].into_iter().flatten().collect();
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}
