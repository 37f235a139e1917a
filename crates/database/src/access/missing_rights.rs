//! Which rights of its program a role lacks, and the command that grants them.

use std::fmt;

use exports_postgres::{Client, PooledConnection};
use sqlx::PgExecutor;

use crate::access::rights::{OWN_TABLES, Program, SOURCE, privileges};
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

/// A right on a relation, or on the schema that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    /// What it is on, in `GRANT` syntax: a relation, or `SCHEMA` and a name.
    object: String,
    privilege: String,
    /// Empty: the whole object.
    columns: Vec<String>,
}

/// What the operator must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// `exportctl migrate`, which grants everything in the service's database.
    Migrate(Program),
    /// `GRANT`, in the database of the source.
    Grant,
}

/// The relations of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relations {
    Own,
    Source,
    OwnAndSource,
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

/// The rights that a question is about, as columns of a table.
#[derive(Debug, Default)]
struct Asked {
    relations: Vec<String>,
    privileges: Vec<String>,
    /// Empty: the whole relation.
    columns: Vec<String>,
}

impl Asked {
    fn of(program: Program, relations: Relations) -> Self {
        let mut asked = Self::default();
        if relations != Relations::Source {
            for own in &OWN_TABLES {
                for (privilege, columns) in privileges(own.of(program)) {
                    asked.add(own.table, privilege, &columns);
                }
            }
        }
        if relations != Relations::Own {
            for source in SOURCE.iter().filter(|it| !it.of(program).is_empty()) {
                asked.add(source.relation, "SELECT", source.of(program));
            }
        }
        asked
    }

    fn add(&mut self, relation: &str, privilege: &str, columns: &[&str]) {
        let whole = [""];
        let columns = if columns.is_empty() { &whole } else { columns };
        for column in columns {
            self.relations.push(relation.to_owned());
            self.privileges.push(privilege.to_owned());
            self.columns.push((*column).to_owned());
        }
    }
}

/// The rights on the source relations, the schema and the database that `role` lacks, as they stand in a
/// `GRANT`. The connected role may be another one.
pub(super) async fn missing_around_own_tables(
    connection: &mut sqlx::PgConnection,
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

/// The answer to a question.
struct Found {
    role: String,
    rights: Vec<Right>,
    all_exist: bool,
}

async fn find(
    connection: impl PgExecutor<'_>,
    role: Option<&str>,
    asked: &Asked,
) -> Result<Found, Error> {
    // Relations are looked up in the catalogue and not by to_regclass(), which hides what is in a schema
    // without USAGE. A row for each missing right, and one for each missing relation or column.
    let rows = sqlx::query!(
        r#"
        WITH subject AS (
            SELECT coalesce($1::text, current_user::text)::name AS role
        ), path AS (
            SELECT n.oid, n.nspname, part.position, has_schema_privilege(subject.role, n.oid, 'USAGE') AS is_usable
            FROM subject
            CROSS JOIN unnest(string_to_array(current_setting('search_path'), ',')) WITH ORDINALITY part (name, position)
            JOIN pg_namespace n ON n.nspname = CASE trim(part.name) WHEN '"$user"' THEN subject.role::text
                                               ELSE trim(part.name, ' "') END
        ), relation AS (
            SELECT DISTINCT ON (c.relname) c.relname, c.oid, path.nspname, path.is_usable
            FROM pg_class c JOIN path ON path.oid = c.relnamespace
            WHERE c.relname = ANY ($2::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            ORDER BY c.relname, path.is_usable DESC, path.position
        ), lacking AS (
            SELECT 'SCHEMA ' || quote_ident(schema.nspname) AS object, 'USAGE' AS privilege, '' AS column_name,
                   true AS "exists", 0 AS position
            FROM (SELECT DISTINCT nspname FROM relation WHERE NOT is_usable) schema
            UNION ALL
            SELECT asked.relation, asked.privilege, asked.column_name,
                   relation.oid IS NOT NULL AND (asked.column_name = '' OR a.attnum IS NOT NULL), asked.position
            FROM unnest($2::text[], $3::text[], $4::text[])
                 WITH ORDINALITY asked (relation, privilege, column_name, position)
            LEFT JOIN relation ON relation.relname = asked.relation
            LEFT JOIN pg_attribute a ON a.attrelid = relation.oid AND a.attname = asked.column_name
                                    AND NOT a.attisdropped
            CROSS JOIN subject
            -- Null: the relation or the column does not exist.
            WHERE CASE WHEN asked.column_name = ''
                       THEN has_table_privilege(subject.role, relation.oid, asked.privilege)
                       ELSE has_column_privilege(subject.role, relation.oid, a.attnum, asked.privilege)
                  END IS NOT TRUE
        )
        SELECT subject.role::text AS "role!", lacking.object, lacking.privilege, lacking.column_name,
               lacking."exists"
        FROM subject LEFT JOIN lacking ON true
        ORDER BY lacking.position
        "#,
        role,
        &asked.relations,
        &asked.privileges,
        &asked.columns,
    )
    .fetch_all(connection)
    .await?;
    let mut found = Found {
        role: rows.first().map(|row| row.role.clone()).unwrap_or_default(),
        rights: Vec::new(),
        all_exist: true,
    };
    for row in rows {
        // All null: nothing is missing.
        let (Some(object), Some(privilege)) = (row.object, row.privilege) else {
            continue;
        };
        if row.exists == Some(false) {
            found.all_exist = false;
            continue;
        }
        let columns = row.column_name.filter(|name| !name.is_empty());
        match found.rights.last_mut() {
            Some(last) if last.object == object && last.privilege == privilege => {
                last.columns.extend(columns);
            }
            _ => found.rights.push(Right {
                object,
                privilege,
                columns: columns.into_iter().collect(),
            }),
        }
    }
    Ok(found)
}

impl MissingRights {
    /// Whether all relations and columns of the program exist: `exportctl migrate` has created them.
    #[must_use]
    pub fn all_relations_exist(&self) -> bool {
        self.all_exist
    }
}

impl Right {
    /// As in `GRANT`, with every column.
    fn in_grant(&self) -> String {
        let Self {
            object, privilege, ..
        } = self;
        if self.columns.is_empty() {
            return format!("{privilege} ON {object}");
        }
        format!("{privilege} ({}) ON {object}", self.columns.join(", "))
    }

    /// The privilege for a person, with the first columns.
    fn shown(&self) -> String {
        const SHOWN: usize = 3;
        let names = self.columns.iter().take(SHOWN).map(String::as_str);
        let names: Vec<_> = names.collect();
        let more = if self.columns.len() > SHOWN {
            ", …"
        } else {
            ""
        };
        match names.as_slice() {
            [] => self.privilege.clone(),
            names => format!("{} ({}{more})", self.privilege, names.join(", ")),
        }
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
                write!(f, ": run exportctl migrate {option} {}", in_shell(role))
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
                "role \"exports_worker\" {lacks}: run exportctl migrate --worker-role exports_worker"
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
