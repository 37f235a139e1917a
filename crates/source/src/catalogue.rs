//! The definitions of `messages` and `endpoints` in the server's catalogue: kinds of relations, types
//! of columns, and whether several sessions can read under one snapshot.
//!
//! The relations may be our own tables, or views, partitioned tables or foreign tables of an operator.
//! Locks and statements depend on that.

use std::collections::{BTreeMap, HashMap};

use exports_postgres::TextRow;

use crate::column::ColumnType;
use crate::connection::SourceConnection;
use crate::error::Error;
use crate::row::values;

const QUERY: &str = include_str!("catalogue.sql");

/// The relations that exports read.
pub(crate) const RELATIONS: [&str; 2] = ["messages", "endpoints"];

/// Relations by name, each with its oid.
pub(crate) type RelationOids = BTreeMap<String, String>;

/// The definitions of both relations. Equal catalogues mean that no definition has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    relations: HashMap<String, Relation>,
    columns: HashMap<(String, String), ColumnType>,
    /// Why one statement must read everything, such as `messages has a foreign table`.
    single_reader_reasons: Vec<String>,
    /// Relations with row-level security.
    pub policies: Vec<String>,
    /// Relations whose initial copy by logical replication is not finished.
    pub initial_copies: Vec<String>,
    /// Tables whose `direction` has a CHECK constraint.
    checked: Vec<String>,
    /// Views and the versions of their definitions.
    views: Vec<(String, String)>,
    /// Tables that the role may read, but not lock: it has rights on columns only.
    unlockable: Vec<String>,
    /// The server refused to show its catalogue.
    is_unknown: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Relation {
    oid: String,
    kind: Kind,
    /// Whether a lock on it covers everything below it.
    is_simple: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    View,
    /// A kind that `LOCK TABLE` refuses: a foreign table or a materialized view.
    Other,
}

impl Catalogue {
    /// Queries the catalogue.
    pub(crate) async fn query(connection: &mut SourceConnection) -> Result<Self, Error> {
        Self::of(connection.query(QUERY).await?)
    }

    /// Queries the catalogue outside a transaction, where the server may refuse the query.
    pub(crate) async fn read(connection: &mut SourceConnection) -> Result<Self, Error> {
        match Self::query(connection).await {
            Ok(catalogue) => Ok(catalogue),
            Err(error) if error.is_refused() => {
                tracing::warn!(
                    %error,
                    "the source refuses to show its catalogue: one statement reads each export"
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
            let [property, relation, first, second, third] =
                values(row)?.map(Option::unwrap_or_default);
            match property.as_str() {
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
                // `first` is the relation that has the reason, `second` the reason.
                "single_reader" => catalogue
                    .single_reader_reasons
                    .push(format!("{first} has {second}")),
                "unlockable" => catalogue.unlockable.push(relation),
                "checked" => catalogue.checked.push(relation),
                "view" => catalogue.views.push((first, second)),
                "policies" => catalogue.policies.push(first),
                "initial_copy" => catalogue.initial_copies.push(first),
                _ => return Err(Error::UnexpectedAnswer("the catalogue query")),
            }
        }
        Ok(catalogue)
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// The type of a column. If the catalogue is unknown, the type in our own tables.
    pub(crate) fn column(&self, relation: &str, column: &str) -> ColumnType {
        let key = (relation.to_owned(), column.to_owned());
        let known = self.columns.get(&key).cloned();
        known.unwrap_or_else(|| ColumnType::of_ours(column))
    }

    /// Whether `messages` is a table without a CHECK constraint on its direction.
    pub(crate) fn is_unchecked_table(&self) -> bool {
        self.is_table("messages") && !self.checked.iter().any(|name| name == "messages")
    }

    /// Whether a relation is a table, so that a sample can be read from all parts of it.
    pub(crate) fn is_table(&self, relation: &str) -> bool {
        let relation = self.relations.get(relation);
        relation.is_some_and(|relation| relation.kind == Kind::Table)
    }

    /// Whether both relations are plain tables without partitions.
    pub(crate) fn are_plain_tables(&self) -> bool {
        self.relations.len() == RELATIONS.len()
            && self
                .relations
                .values()
                .all(|relation| relation.kind == Kind::Table && relation.is_simple)
    }

    /// Whether the role may lock the relations by name. The planner can still lock them.
    pub(crate) fn allows_locks(&self) -> bool {
        self.unlockable.is_empty()
    }

    /// Whether `lock_statement` locks everything that is read.
    pub(crate) fn locks_cover_all(&self) -> bool {
        self.relations.len() == RELATIONS.len()
            && self
                .relations
                .values()
                .all(|relation| relation.kind != Kind::Other && relation.is_simple)
    }

    /// The statement that locks the relations by name, as far as that is possible. It locks no
    /// partitions, because there may be thousands.
    pub(crate) fn lock_statement(&self) -> Option<String> {
        let lock = |name: &str| {
            let relation = self.relations.get(name)?;
            match relation.kind {
                Kind::Table => Some(format!("ONLY {name}")),
                // There is no ONLY for views: `LOCK TABLE` also locks the relations below a view.
                Kind::View if relation.is_simple => Some((*name).to_owned()),
                Kind::View | Kind::Other => None,
            }
        };
        let locks: Vec<_> = RELATIONS.iter().filter_map(|name| lock(name)).collect();
        (!locks.is_empty()).then(|| format!("LOCK TABLE {} IN ACCESS SHARE MODE", locks.join(", ")))
    }

    /// A statement that returns [`Self::identity`] while the names mean the same plain tables.
    pub(crate) fn identity_statement() -> &'static str {
        "SELECT string_agg(oid::text || ' ' || relkind::text || ' ' || relhassubclass::text, ',' ORDER BY oid) \
         FROM pg_class WHERE oid IN (to_regclass('messages'), to_regclass('endpoints'))"
    }

    /// The result of `identity_statement` for the two plain tables.
    pub(crate) fn identity(&self) -> String {
        let mut oids: Vec<_> = self.relations.values().map(|known| &known.oid).collect();
        oids.sort_by_key(|oid| oid.parse::<u32>().unwrap_or_default());
        let each: Vec<_> = oids.iter().map(|oid| format!("{oid} r false")).collect();
        each.join(",")
    }

    /// Why one statement of one session must read everything: although they share a snapshot, other
    /// sessions or statements may read different rows. `None` if several readers are possible.
    #[must_use]
    pub fn single_reader_reason(&self) -> Option<String> {
        if self.is_unknown {
            return Some("the source refuses to show its catalogue".to_owned());
        }
        self.single_reader_reasons.first().cloned()
    }

    /// One line for each column whose type exports cannot read.
    #[must_use]
    pub fn unsuitable_columns(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .columns
            .iter()
            .filter_map(|((relation, column), found)| {
                let expected = found.expected_type(relation, column)?;
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
