//! What each program may do in the service's database, and granting exactly that.
//!
//! The programs that consumers and messages reach run as roles of their own, which own nothing:
//! whoever takes over `exports-api` cannot read messages, make keys or complete an export, and
//! whoever takes over `exports-worker` cannot read keys or change what was asked for.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::database::Database;
use crate::error::Error;

/// A program that runs as a role of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `exports-api`.
    Api,
    /// `exports-worker`.
    Worker,
}

/// A table, and what the programs may do with it, in the words of `GRANT`. Empty: nothing.
struct Rights {
    table: &'static str,
    api: &'static str,
    worker: &'static str,
}

/// The service's own tables. A row lock (`FOR UPDATE`) wants the right to update one column.
const OWN: [Rights; 5] = [
    Rights {
        // Whether the schema is current: at the start, and for /readyz.
        table: "_sqlx_migrations",
        api: "SELECT",
        worker: "SELECT",
    },
    Rights {
        // Both know a project from the row that names it. References are checked as the owner.
        table: "projects",
        api: "",
        worker: "",
    },
    Rights {
        table: "api_keys",
        api: "SELECT (id, project_id, key_sha256, last_used_at, revoked_at), UPDATE (last_used_at)",
        worker: "",
    },
    Rights {
        // The API queues and deletes; only a worker moves an export from state to state and deletes
        // old ones, and it cannot change what was asked for, nor by whom.
        table: "exports",
        api: "SELECT, DELETE, UPDATE (idempotency_key), \
              INSERT (id, project_id, created_at, due_at, status, direction, filter_start_time, \
                      filter_end_time, filter_status, filter_endpoint_id, idempotency_key)",
        worker: "SELECT, DELETE, \
                 UPDATE (status, attempt, due_at, lease_token, lease_expires_at, lease_owner, \
                         attempt_error, started_at, completed_at, expires_at, row_count, \
                         file_size_bytes, sha256, object_key, error_code, error_message, \
                         idempotency_key, progress_rows, progress_bytes)",
    },
    Rights {
        // The API dooms and forgets what it deletes; workers record what they write.
        table: "export_objects",
        api: "SELECT, DELETE, UPDATE (state, sweep_at, sweeps_left)",
        worker: "SELECT, DELETE, INSERT (key, export_id, state), \
                 UPDATE (state, upload_id, sweep_at, sweeps_left)",
    },
];

/// A relation of the platform's, and the columns of it that the programs read.
struct Reads {
    relation: &'static str,
    api: &'static [&'static str],
    worker: &'static [&'static str],
}

/// What others write and nobody here does. It may belong to somebody else and have more columns.
const SOURCE: [Reads; 2] = [
    Reads {
        relation: "endpoints",
        // Not the URL: it may hold a secret of the consumer's.
        api: &["id", "project_id", "direction"],
        worker: &["id", "project_id", "direction", "url", "created_at"],
    },
    Reads {
        relation: "messages",
        api: &[],
        worker: &[
            "id",
            "project_id",
            "direction",
            "endpoint_id",
            "status",
            "attempt_count",
            "created_at",
            "delivered_at",
            "next_attempt_at",
            "response_status",
            "response_latency_ms",
            "total_delivery_ms",
            "last_error",
        ],
    },
];

/// Why a role did not get its rights. It has what it had before, then.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no such role.
    #[error("there is no role {role:?}: create it first, with CREATE ROLE … LOGIN PASSWORD …")]
    NoRole {
        /// Its name.
        role: String,
    },
    /// It could do anything whatever it is granted.
    #[error(
        "the role {role:?} owns the tables or is a superuser, so nothing can be kept from it: give the program a role of its own"
    )]
    Owner {
        /// Its name.
        role: String,
    },
    /// Something belongs to somebody else, who has to give the right.
    #[error("this user cannot give a right that {role:?} needs: its owner has to run: {statement}")]
    NotOurs {
        /// The role's name.
        role: String,
        /// What to run.
        statement: String,
    },
    /// The database did not do it.
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
    /// Lets `role` do what `program` does, and nothing else with the service's own tables: what an
    /// earlier version granted and this one does not need is revoked in the same transaction.
    ///
    /// On the platform's relations, the schema and the database it only adds what is lacking.
    pub async fn grant(&self, program: Program, role: &str) -> Result<(), GrantError> {
        let mut connection = self.fresh_connection().await?;
        let known = sqlx::query_scalar!(
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
        match known {
            None => return Err(GrantError::NoRole { role: name }),
            Some(true) => return Err(GrantError::Owner { role: name }),
            Some(false) => {}
        }
        for rights in lacking(&mut connection, program, role).await? {
            let granted = sqlx::raw_sql(AssertSqlSafe(grant(&rights, role)))
                .execute(&mut connection)
                .await;
            // A right that is not ours to give is no error here: what is lacking is asked again.
            if let Err(error) = granted.map_err(Error::from)
                && error.sql_state().as_deref() != Some("42501")
            {
                return Err(error.into());
            }
        }
        let still = lacking(&mut connection, program, role).await?;
        if let Some(rights) = still.first() {
            return Err(GrantError::NotOurs {
                statement: grant(rights, role),
                role: name,
            });
        }
        // Several statements in one message are one transaction: no moment without the rights.
        sqlx::raw_sql(AssertSqlSafe(own_tables(program, role)))
            .execute(&mut connection)
            .await?;
        Ok(())
    }
}

/// Takes every right on the service's own tables away, and gives those of the table above.
fn own_tables(program: Program, role: &str) -> String {
    // Two that grant at the same time would trip over each other in the catalogue.
    let mut statements =
        vec!["SELECT pg_advisory_xact_lock(hashtext('exports grants'))".to_owned()];
    for Rights { table, api, worker } in &OWN {
        // This takes the rights on single columns, too.
        statements.push(format!("REVOKE ALL ON {table} FROM {}", quoted(role)));
        let rights = match program {
            Program::Api => api,
            Program::Worker => worker,
        };
        if !rights.is_empty() {
            statements.push(grant(&format!("{rights} ON {table}"), role));
        }
    }
    statements.join("; ")
}

/// What the role needs of things that may belong to somebody else, and does not have.
async fn lacking(
    connection: &mut PgConnection,
    program: Program,
    role: &str,
) -> Result<Vec<String>, Error> {
    let place = sqlx::query!(
        r#"
        SELECT current_database()::text AS "database!", current_schema()::text AS "schema!",
               has_database_privilege($1::text::name, current_database()::text, 'CONNECT') AS "connects!",
               has_schema_privilege($1::text::name, current_schema()::text, 'USAGE') AS "looks!"
        "#,
        role,
    )
    .fetch_one(&mut *connection)
    .await?;
    let mut lacking = Vec::new();
    if !place.connects {
        lacking.push(format!("CONNECT ON DATABASE {}", quoted(&place.database)));
    }
    if !place.looks {
        lacking.push(format!("USAGE ON SCHEMA {}", quoted(&place.schema)));
    }
    for Reads {
        relation,
        api,
        worker,
    } in &SOURCE
    {
        let columns = match program {
            Program::Api => api,
            Program::Worker => worker,
        };
        let reads = sqlx::query_scalar!(
            r#"
            SELECT coalesce(bool_and(has_column_privilege($1::text::name, $2, name, 'SELECT')), true) AS "reads!"
            FROM unnest($3::text[]) columns (name)
            "#,
            role,
            *relation,
            *columns as &[&str],
        )
        .fetch_one(&mut *connection)
        .await?;
        if !reads {
            lacking.push(format!("SELECT ({}) ON {relation}", columns.join(", ")));
        }
    }
    Ok(lacking)
}

fn grant(rights: &str, role: &str) -> String {
    format!("GRANT {rights} TO {}", quoted(role))
}

/// A name as an identifier, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_s_name_cannot_end_the_statement() {
        let role = r#"x"; DROP TABLE exports; --"#;
        let text = grant("SELECT ON exports", role);
        assert_eq!(
            text,
            r#"GRANT SELECT ON exports TO "x""; DROP TABLE exports; --""#
        );
    }
}
