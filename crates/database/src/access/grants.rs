//! Grants a role exactly the rights of its program.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::access::rights::{OWN_TABLES, Program, SOURCE};
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
        for rights in missing_rights(&mut connection, program, role).await? {
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
        let missing = missing_rights(&mut connection, program, role).await?;
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

/// Rights that the role lacks on the database, the schema and the source relations.
async fn missing_rights(
    connection: &mut PgConnection,
    program: Program,
    role: &str,
) -> Result<Vec<String>, Error> {
    let scope = sqlx::query!(
        r#"
        SELECT current_database()::text AS "database!", current_schema()::text AS "schema!",
               has_database_privilege($1::text::name, current_database()::text, 'CONNECT') AS "connects!",
               has_schema_privilege($1::text::name, current_schema()::text, 'USAGE') AS "looks!"
        "#,
        role,
    )
    .fetch_one(&mut *connection)
    .await?;
    let mut missing = Vec::new();
    if !scope.connects {
        missing.push(format!("CONNECT ON DATABASE {}", quoted(&scope.database)));
    }
    if !scope.looks {
        missing.push(format!("USAGE ON SCHEMA {}", quoted(&scope.schema)));
    }
    for source in &SOURCE {
        let (relation, columns) = (source.relation, source.of(program));
        let reads = sqlx::query_scalar!(
            r#"
            SELECT coalesce(bool_and(has_column_privilege($1::text::name, $2, name, 'SELECT')), true) AS "reads!"
            FROM unnest($3::text[]) columns (name)
            "#,
            role,
            relation,
            columns as &[&str],
        )
        .fetch_one(&mut *connection)
        .await?;
        if !reads {
            missing.push(format!("SELECT ({}) ON {relation}", columns.join(", ")));
        }
    }
    Ok(missing)
}

fn grant(rights: &str, role: &str) -> String {
    format!("GRANT {rights} TO {}", quoted(role))
}

/// Quotes an identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

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
