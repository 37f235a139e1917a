//! Which rights of its program a role lacks, and the command that grants them.

use std::fmt;

use exports_postgres::{Client, PooledConnection};

use crate::access::rights::Program;
use crate::access::rights_query::{Asked, Relations, Right, find};
use crate::database::Database;
use crate::error::Error;

/// The rights that a role lacks. There is at least one. `Display` is one line with the role, the rights
/// and the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRights {
    role: String,
    rights: Vec<Right>,
    remedy: Remedy,
    all_exist: bool,
}

/// What the operator must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// `exportctl admin migrate`, which grants everything in the service's database.
    Migrate(Program),
    /// `GRANT`, in the database of the source.
    Grant,
}

impl Database {
    /// The rights of `program` that `role` lacks in this database: on our tables, and `with_source` also on
    /// the source relations. Without a `role`, of the connected one. An owner and a superuser lack nothing.
    ///
    /// Relations and columns that do not exist are ignored: they are no matter of rights.
    pub async fn missing_rights(
        &self,
        program: Program,
        role: Option<&str>,
        with_source: bool,
    ) -> Result<Option<MissingRights>, Error> {
        let relations = if with_source {
            Relations::OwnAndSource
        } else {
            Relations::Own
        };
        ask(self, program, role, relations, Remedy::Migrate(program)).await
    }
}

/// The same for the source relations in a database of their own.
pub async fn missing_source_rights(
    source: &Client,
    program: Program,
    role: Option<&str>,
) -> Result<Option<MissingRights>, Error> {
    ask(source, program, role, Relations::Source, Remedy::Grant).await
}

async fn ask(
    client: &Client,
    program: Program,
    role: Option<&str>,
    relations: Relations,
    remedy: Remedy,
) -> Result<Option<MissingRights>, Error> {
    let asked = Asked::of(program, relations);
    let found = client
        .repeatable(
            &(role, &asked),
            |connection: &mut PooledConnection, (role, asked)| {
                Box::pin(find(connection, *role, asked))
            },
        )
        .await?;
    Ok((!found.rights.is_empty()).then_some(MissingRights {
        role: found.role,
        rights: found.rights,
        remedy,
        all_exist: found.all_exist,
    }))
}

impl MissingRights {
    /// Whether all relations and columns of the program exist: `exportctl admin migrate` has created them.
    #[must_use]
    pub fn all_relations_exist(&self) -> bool {
        self.all_exist
    }
}

impl std::error::Error for MissingRights {}

impl fmt::Display for MissingRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, rights, .. } = self;
        write!(f, "role {role:?} lacks ")?;
        for (index, right) in rights.iter().enumerate() {
            let is_new = |before: &Right| before.object != right.object;
            match index.checked_sub(1).map(|before| &rights[before]) {
                Some(before) if is_new(before) => write!(f, " on {}, ", before.object)?,
                Some(_) => write!(f, ", ")?,
                None => {}
            }
            write!(f, "{}", right.shown())?;
        }
        if let Some(last) = rights.last() {
            write!(f, " on {}", last.object)?;
        }
        match self.remedy {
            Remedy::Migrate(program) => {
                let option = program.role_option();
                write!(
                    f,
                    ": run exportctl admin migrate {option} {}",
                    in_shell(role)
                )
            }
            Remedy::Grant => {
                let grants = rights.iter().map(|right| grant(&right.in_grant(), role));
                let grants: Vec<_> = grants.collect();
                write!(f, ": run in this database: {}", grants.join("; "))
            }
        }
    }
}

pub(super) fn grant(rights: &str, role: &str) -> String {
    format!("GRANT {rights} TO {}", quoted(role))
}

/// Quotes an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes an argument of a command, if that is necessary.
fn in_shell(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(object: &str, privilege: &str, columns: &[&str]) -> Right {
        Right {
            object: object.to_owned(),
            privilege: privilege.to_owned(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn the_line_names_role_rights_and_the_command() {
        let mut missing = MissingRights {
            role: "exports_worker".to_owned(),
            rights: vec![
                right("SCHEMA public", "USAGE", &[]),
                right("exports", "DELETE", &[]),
                right("exports", "UPDATE", &["a", "b", "c", "d"]),
                right("endpoints", "SELECT", &["id"]),
            ],
            remedy: Remedy::Migrate(Program::Worker),
            all_exist: true,
        };
        let lacks = "lacks USAGE on SCHEMA public, DELETE, UPDATE (a, b, c, …) on exports, \
                     SELECT (id) on endpoints";
        assert_eq!(
            missing.to_string(),
            format!(
                "role \"exports_worker\" {lacks}: run exportctl admin migrate --worker-role exports_worker"
            )
        );
        missing.role = "d'été".to_owned();
        let line = missing.to_string();
        assert!(line.ends_with(r"--worker-role 'd'\''été'"), "{line}");

        missing.remedy = Remedy::Grant;
        missing.rights.drain(1..3);
        let line = missing.to_string();
        let grants = "run in this database: GRANT USAGE ON SCHEMA public TO \"d'été\"; \
                      GRANT SELECT (id) ON endpoints TO \"d'été\"";
        assert!(line.ends_with(grants), "{line}");
    }

    #[test]
    fn a_role_name_is_quoted_in_the_grant() {
        let role = r#"x"; DROP TABLE exports; --"#;
        let text = grant("SELECT ON exports", role);
        assert_eq!(
            text,
            r#"GRANT SELECT ON exports TO "x""; DROP TABLE exports; --""#
        );
    }
}
