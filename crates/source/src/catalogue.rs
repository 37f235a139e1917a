//! What the server's catalogue says of `messages` and `endpoints`: what kind of relations they are,
//! which types their columns have, and whether several sessions can read them under one snapshot.
//!
//! They may be tables of ours or anything that an operator gave these names: views, partitioned
//! tables, foreign tables. How they are locked and asked depends on it.

use std::collections::HashMap;

use crate::column::ColumnType;
use crate::error::Error;
use crate::session::exactly;
use exports_postgres::{TextRow, WireConnection};

const QUERY: &str = include_str!("catalogue.sql");

/// The relations that exports read.
pub(crate) const RELATIONS: [&str; 2] = ["messages", "endpoints"];

/// What is known of both relations. Equal ones mean that nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    relations: HashMap<String, Relation>,
    columns: HashMap<(String, String), ColumnType>,
    /// Why one statement has to read everything.
    pub alone: Vec<Alone>,
    /// Relations with policies of row-level security.
    pub policies: Vec<String>,
    /// Relations whose first copy by logical replication has not ended.
    pub copying: Vec<String>,
    /// The views, with the versions of their definitions.
    views: Vec<(String, String)>,
    /// The server did not tell any of it.
    is_unknown: bool,
}

/// A reason why each session, or each statement, may see other rows than the next, although they
/// share a snapshot: then one statement of one session reads them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alone {
    /// The relation below which it is: `messages` or `endpoints`.
    pub relation: String,
    /// The relation that has it.
    pub at: String,
    /// What it is: `a foreign table`, or `the function random()`.
    pub what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Relation {
    oid: String,
    kind: Kind,
    /// A lock on it covers all that is below it.
    is_simple: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    View,
    /// What `LOCK TABLE` refuses: a foreign table, a materialized view.
    Other,
}

impl Catalogue {
    /// Asks for everything.
    pub(crate) async fn query(connection: &mut WireConnection) -> Result<Self, Error> {
        Self::of(connection.query(QUERY).await?)
    }

    /// The same, outside of a transaction, where a server may refuse to tell.
    pub(crate) async fn read(connection: &mut WireConnection) -> Result<Self, Error> {
        match Self::query(connection).await {
            Ok(catalogue) => Ok(catalogue),
            Err(error) if error.is_refused() => {
                tracing::warn!(
                    %error,
                    "the source does not show its catalogue: every export is read by one statement"
                );
                Ok(Self::unknown())
            }
            Err(error) => Err(error),
        }
    }

    fn unknown() -> Self {
        Self {
            is_unknown: true,
            ..Self::default()
        }
    }

    fn of(rows: Vec<TextRow>) -> Result<Self, Error> {
        let mut catalogue = Self::default();
        for row in rows {
            let [fact, relation, first, second, third] =
                exactly(row)?.map(Option::unwrap_or_default);
            match fact.as_str() {
                "relation" => {
                    let kind = Kind::of(&second);
                    let is_simple = third == "true";
                    let known = Relation {
                        oid: first,
                        kind,
                        is_simple,
                    };
                    catalogue.relations.insert(relation, known);
                }
                "column" => {
                    let column_type = ColumnType::of(&second, &third);
                    catalogue.columns.insert((relation, first), column_type);
                }
                "alone" => catalogue.alone.push(Alone {
                    relation,
                    at: first,
                    what: second,
                }),
                "view" => catalogue.views.push((first, second)),
                "policies" => catalogue.policies.push(first),
                "copying" => catalogue.copying.push(first),
                _ => return Err(Error::UnexpectedAnswer("the catalogue query")),
            }
        }
        Ok(catalogue)
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// The type of a column; that of our own, where the server did not tell.
    pub(crate) fn column(&self, relation: &str, column: &str) -> ColumnType {
        let key = (relation.to_owned(), column.to_owned());
        let known = self.columns.get(&key).cloned();
        known.unwrap_or_else(|| ColumnType::of_ours(column))
    }

    /// Whether both are plain tables, of which nothing else has to be known.
    pub(crate) fn are_plain_tables(&self) -> bool {
        self.relations.len() == RELATIONS.len()
            && self
                .relations
                .values()
                .all(|relation| relation.kind == Kind::Table && relation.is_simple)
    }

    /// Whether the locks that `lock_statement` takes cover all that is read.
    pub(crate) fn locks_cover_all(&self) -> bool {
        self.relations.len() == RELATIONS.len()
            && self
                .relations
                .values()
                .all(|relation| relation.kind != Kind::Other && relation.is_simple)
    }

    /// The statement that keeps the relations as they are, as far as that can be done by their
    /// names. Of a table with partitions it locks no partition: there may be thousands.
    pub(crate) fn lock_statement(&self) -> Option<String> {
        let lock = |name: &str| {
            let relation = self.relations.get(name)?;
            match relation.kind {
                Kind::Table => Some(format!("ONLY {name}")),
                // It has no ONLY: what is below a view is locked with it.
                Kind::View if relation.is_simple => Some((*name).to_owned()),
                Kind::View | Kind::Other => None,
            }
        };
        let locks: Vec<_> = RELATIONS.iter().filter_map(|name| lock(name)).collect();
        (!locks.is_empty()).then(|| format!("LOCK TABLE {} IN ACCESS SHARE MODE", locks.join(", ")))
    }

    /// The statement whose only row is [`Self::identity`] while the names mean the same plain tables.
    pub(crate) fn identity_statement() -> &'static str {
        "SELECT string_agg(oid::text || ' ' || relkind::text || ' ' || relhassubclass::text, ',' ORDER BY oid) \
         FROM pg_class WHERE oid IN (to_regclass('messages'), to_regclass('endpoints'))"
    }

    /// What `identity_statement` gives for two plain tables.
    pub(crate) fn identity(&self) -> String {
        let mut oids: Vec<_> = self.relations.values().map(|known| &known.oid).collect();
        oids.sort_by_key(|oid| oid.parse::<u32>().unwrap_or_default());
        let each: Vec<_> = oids.iter().map(|oid| format!("{oid} r false")).collect();
        each.join(",")
    }

    /// Whether one statement has to read everything, and why.
    #[must_use]
    pub fn reason_to_read_alone(&self) -> Option<String> {
        if self.is_unknown {
            return Some("the source does not show its catalogue".to_owned());
        }
        let alone = self.alone.first()?;
        Some(format!("{} has {}", alone.at, alone.what))
    }

    /// What is wrong with the columns, a line each: those whose types cannot be read.
    #[must_use]
    pub fn unsuitable_columns(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .columns
            .iter()
            .filter_map(|((relation, column), found)| {
                let expected = found.misfit(relation, column)?;
                Some(format!(
                    "{relation}.{column} is {found}: {expected} is needed"
                ))
            })
            .collect();
        lines.sort_unstable();
        lines
    }
}

impl Kind {
    fn of(relkind: &str) -> Self {
        match relkind {
            "r" | "p" => Self::Table,
            "v" => Self::View,
            _ => Self::Other,
        }
    }
}
