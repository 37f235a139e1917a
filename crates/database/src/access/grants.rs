//! Grants a role exactly the rights of its program.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::access::missing_rights::{grant, quoted};
use crate::access::rights::{OWN_TABLES, Program};
use crate::access::rights_query::{Asked, Relations, Right, find};
use crate::database::Database;
use crate::error::Error;

/// Why granting failed. The role keeps the rights that it had before.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The role does not exist.
    #[error("role {role:?} does not exist: create it first, with CREATE ROLE … LOGIN PASSWORD …")]
    NoRole {
        /// The role's name.
        role: String,
    },
    /// The role has all rights anyway.
    #[error(
        "role {role:?} owns the tables or is a superuser, so its rights cannot be limited: create a separate role for the program"
    )]
    Owner {
        /// The role's name.
        role: String,
    },
    /// A missing right can only be granted by the owner of a relation.
    #[error("this user cannot grant a right that {role:?} needs: the owner must run: {statement}")]
    NotOurs {
        /// The role's name.
        role: String,
        /// The statement to run.
        statement: String,
    },
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<exports_postgres::Error> for GrantError {
    fn from(error: exports_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<sqlx::Error> for GrantError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Database {
    /// Grants `role` exactly the rights that `program` needs on our tables. Other rights on them, such
    /// as those of an earlier version, are revoked in the same transaction.
    ///
    /// On the source relations, the schema and the database it only adds missing rights.
    pub async fn grant(&self, program: Program, role: &str) -> Result<(), GrantError> {
        let mut connection = self.fresh_connection().await?;
        let is_owner = sqlx::query_scalar!(
            r#"
            SELECT pg_has_role(r.oid, c.relowner, 'USAGE') AS "owns!"
            FROM pg_roles r, pg_class c
            WHERE r.rolname = $1 AND c.oid = to_regclass('exports')
            "#,
            role,
        )
        .fetch_optional(&mut connection)
        .await?;
        let name = role.to_owned();
        match is_owner {
            None => return Err(GrantError::NoRole { role: name }),
            Some(true) => return Err(GrantError::Owner { role: name }),
            Some(false) => {}
        }
        for rights in missing_around_own_tables(&mut connection, program, role).await? {
            let granted = sqlx::raw_sql(AssertSqlSafe(grant(&rights, role)))
                .execute(&mut connection)
                .await;
            // Insufficient privilege is reported below, if the right is still missing then.
            if let Err(error) = granted.map_err(Error::from)
                && error.sql_state().as_deref() != Some("42501")
            {
                return Err(error.into());
            }
        }
        let missing = missing_around_own_tables(&mut connection, program, role).await?;
        if let Some(rights) = missing.first() {
            return Err(GrantError::NotOurs {
                statement: grant(rights, role),
                role: name,
            });
        }
        // Statements in one message are one transaction: the role is never without its rights.
        sqlx::raw_sql(AssertSqlSafe(grant_own_tables(program, role)))
            .execute(&mut connection)
            .await?;
        Ok(())
    }
}

/// Revokes all rights on our tables and grants those of [`OWN_TABLES`].
fn grant_own_tables(program: Program, role: &str) -> String {
    // Concurrent grants on one table fail with "tuple concurrently updated".
    let mut statements =
        vec!["SELECT pg_advisory_xact_lock(hashtext('exports grants'))".to_owned()];
    for own in &OWN_TABLES {
        let (table, rights) = (own.table, own.of(program));
        // This also revokes rights on single columns.
        statements.push(format!("REVOKE ALL ON {table} FROM {}", quoted(role)));
        if !rights.is_empty() {
            statements.push(grant(&format!("{rights} ON {table}"), role));
        }
    }
    statements.join("; ")
}

/// The rights on the source relations, the schema and the database that `role` lacks, as they stand in a
/// `GRANT`. The connected role may be another one.
async fn missing_around_own_tables(
    connection: &mut PgConnection,
    program: Program,
    role: &str,
) -> Result<Vec<String>, Error> {
    let database = sqlx::query!(
        r#"
        SELECT current_database()::text AS "name!",
               has_database_privilege($1::text::name, current_database()::text, 'CONNECT') AS "connects!"
        "#,
        role,
    )
    .fetch_one(&mut *connection)
    .await?;
    let mut missing = Vec::new();
    if !database.connects {
        missing.push(format!("CONNECT ON DATABASE {}", quoted(&database.name)));
    }
    let asked = Asked::of(program, Relations::OwnAndSource);
    let found = find(connection, Some(role), &asked).await?;
    let is_own = |right: &Right| OWN_TABLES.iter().any(|own| own.table == right.object);
    let around = found.rights.iter().filter(|right| !is_own(right));
    missing.extend(around.map(Right::in_grant));
    Ok(missing)
}
