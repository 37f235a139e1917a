//! Asks the server which rights a role lacks.

use sqlx::PgExecutor;

use crate::access::rights::{OWN_TABLES, Program, SOURCE, privileges};
use crate::error::Error;

/// The relations of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relations {
    Own,
    Source,
    OwnAndSource,
}

/// A right on a relation, or on the schema that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Right {
    /// What it is on, in `GRANT` syntax: a relation, or `SCHEMA` and a name.
    pub(super) object: String,
    pub(super) privilege: String,
    /// Empty: the whole object.
    pub(super) columns: Vec<String>,
}

impl Right {
    /// As in `GRANT`, with every column.
    pub(super) fn in_grant(&self) -> String {
        let Self {
            object, privilege, ..
        } = self;
        if self.columns.is_empty() {
            return format!("{privilege} ON {object}");
        }
        format!("{privilege} ({}) ON {object}", self.columns.join(", "))
    }

    /// The privilege for a person, with the first columns.
    pub(super) fn shown(&self) -> String {
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

/// The rights that a question is about, as columns of a table.
#[derive(Debug, Default)]
pub(super) struct Asked {
    relations: Vec<String>,
    privileges: Vec<String>,
    /// Empty: the whole relation.
    columns: Vec<String>,
}

impl Asked {
    pub(super) fn of(program: Program, relations: Relations) -> Self {
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

/// The answer to a question.
pub(super) struct Found {
    pub(super) role: String,
    pub(super) rights: Vec<Right>,
    /// Whether all relations and columns of the question exist.
    pub(super) all_exist: bool,
}

pub(super) async fn find(
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
