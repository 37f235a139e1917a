//! Samples the values of the source, for `exportctl admin check`: which of them would make files wrong?
//!
//! The number of rows and the time are bounded.

use exports_domain::{Direction, MessageStatus, one_of, quoted};

use crate::column::ColumnType;
use crate::error::Error;
use crate::excluded_rows::unknown;
use crate::row::values;
use crate::session::SourceSession;

/// The most rows of a sample, and the rows if that takes too long.
const ROWS: [u32; 2] = [200_000, 2_000];
/// The time limit of one statement, in milliseconds.
const TIMEOUT_MS: u32 = 3_000;
/// The most different values that are listed.
const DISTINCT: usize = 5;

/// The result of sampling a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueSample {
    /// The sampled rows.
    pub rows: u64,
    /// Whether these are all rows.
    pub is_complete: bool,
    /// What is wrong.
    pub faults: Vec<ValueFault>,
}

/// A kind of value that should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFault {
    /// One line: the column, the values, what is expected.
    pub text: String,
    /// The rows that have it.
    pub rows: u64,
    /// What it does to files.
    pub effect: Effect,
}

/// What a value does to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Exports that meet it fail.
    Fails,
    /// The row is in no file.
    LeftOut,
    /// The row belongs to no project of this service, so it is in no file.
    OfNoProject,
    /// Files lack the URL of the endpoint.
    NoUrl,
    /// It is written as it is.
    Written,
}

/// A condition that no row should meet.
struct Rule {
    /// A boolean expression on the columns of the sample `m`.
    condition: String,
    text: String,
    effect: Effect,
}

impl SourceSession {
    /// Samples `messages` or `endpoints`. `None` if even a few rows take longer than 3 s. Call it outside
    /// a transaction.
    pub async fn sample_values(
        &mut self,
        relation: &'static str,
    ) -> Result<Option<ValueSample>, Error> {
        for limit in ROWS {
            match self.sample_rows(relation, limit).await {
                Ok(sample) => return Ok(Some(sample)),
                Err(error) if error.sql_state().as_deref() == Some("57014") => {
                    self.connection.query("ROLLBACK").await?;
                }
                Err(error) => {
                    if error.is_refused() {
                        self.connection.query("ROLLBACK").await?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    async fn sample_rows(
        &mut self,
        relation: &'static str,
        limit: u32,
    ) -> Result<ValueSample, Error> {
        let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {TIMEOUT_MS}");
        self.connection.query(&begin).await?;
        let sample = self.sample_of(relation, limit).await?;
        let rules = self.rules(relation);
        let mut counted = self.count(&sample, &rules).await?.into_iter();
        let rows = counted.next().unwrap_or_default();
        let mut faults = self.unknown_names(relation, &sample).await?;
        for (rule, rows) in rules.into_iter().zip(counted).filter(|(_, rows)| *rows > 0) {
            faults.push(ValueFault {
                text: rule.text,
                rows,
                effect: rule.effect,
            });
        }
        self.connection.query("COMMIT").await?;
        Ok(ValueSample {
            rows,
            is_complete: rows < u64::from(limit) && !sample.contains("TABLESAMPLE"),
            faults,
        })
    }

    /// The FROM clause: the first rows, or pages from all parts of a large table.
    async fn sample_of(&mut self, relation: &str, limit: u32) -> Result<String, Error> {
        let mut pages = String::new();
        if self.catalogue.is_table(relation) {
            let rows = format!(
                "SELECT greatest(reltuples, 0)::int8 FROM pg_class WHERE oid = to_regclass('{relation}')"
            );
            let rows = self.connection.value(&rows).await?;
            let rows: u64 = rows.and_then(|rows| rows.parse().ok()).unwrap_or_default();
            if rows > u64::from(limit) {
                // Hundredths of a percent, rounded up.
                let share = (u64::from(limit) * 10_000).div_ceil(rows);
                pages = format!(" TABLESAMPLE SYSTEM ({}.{:02})", share / 100, share % 100);
            }
        }
        Ok(format!("(SELECT * FROM {relation}{pages} LIMIT {limit}) m"))
    }

    /// The number of rows, and for each rule of those that meet it.
    async fn count(&mut self, sample: &str, rules: &[Rule]) -> Result<Vec<u64>, Error> {
        let counts: Vec<_> = rules
            .iter()
            .map(|rule| format!("count(*) FILTER (WHERE {})", rule.condition))
            .collect();
        let statement = format!("SELECT count(*), {} FROM {sample}", counts.join(", "));
        let row = self.connection.query(&statement).await?.pop();
        let row = row.ok_or(Error::UnexpectedAnswer("the sample of values"))?;
        let count = |value: Option<String>| value.and_then(|value| value.parse().ok());
        let counts: Option<Vec<u64>> = row.into_iter().map(count).collect();
        counts.ok_or(Error::UnexpectedAnswer("the sample of values"))
    }

    /// Directions and statuses that are NULL or not known.
    async fn unknown_names(
        &mut self,
        relation: &str,
        sample: &str,
    ) -> Result<Vec<ValueFault>, Error> {
        let columns: &[(&str, &[&str])] = match relation {
            "messages" => &[
                ("direction", Direction::NAMES),
                ("status", MessageStatus::NAMES),
            ],
            _ => &[("direction", Direction::NAMES)],
        };
        let mut faults = Vec::new();
        for (column, known) in columns {
            let is_unknown = unknown(
                &self.catalogue.column(relation, column),
                &format!("m.{column}"),
                known,
            );
            let statement = format!(
                "SELECT m.{column}::text, count(*), sum(count(*)) OVER (), count(*) OVER () FROM {sample} \
                 WHERE {is_unknown} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {DISTINCT}"
            );
            let mut found = Vec::new();
            let (mut rows, mut distinct) = (0, 0_u64);
            for row in self.connection.query(&statement).await? {
                let [value, _, all, different] = values(row)?;
                found.push(value.map_or_else(|| "NULL".to_owned(), |value| quoted(&value)));
                let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
                rows = number(all).unwrap_or_default();
                distinct = number(different).unwrap_or_default();
            }
            if rows > 0 {
                let more = match distinct.saturating_sub(found.len() as u64) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let found = found.join(", ");
                faults.push(ValueFault {
                    text: format!(
                        "{relation}.{column} has {found}{more}; expected {}",
                        one_of(known)
                    ),
                    rows,
                    effect: match relation {
                        "messages" => Effect::Fails,
                        _ => Effect::NoUrl,
                    },
                });
            }
        }
        Ok(faults)
    }

    fn rules(&self, relation: &str) -> Vec<Rule> {
        let column = |name| self.catalogue.column(relation, name);
        let mut rules = match relation {
            "messages" => {
                let mut rules = vec![
                    is_null(relation, "id", Effect::Fails),
                    is_null(relation, "attempt_count", Effect::Fails),
                    is_null(relation, "created_at", Effect::Fails),
                    is_no_time(
                        relation,
                        "created_at",
                        &column("created_at"),
                        Effect::LeftOut,
                    ),
                ];
                for name in ["delivered_at", "next_attempt_at"] {
                    rules.push(is_no_time(relation, name, &column(name), Effect::Fails));
                }
                for name in [
                    "attempt_count",
                    "response_status",
                    "response_latency_ms",
                    "total_delivery_ms",
                ] {
                    rules.push(Rule {
                        // As in the statement of an export, which fails if a number does not fit.
                        condition: format!("m.{name}::int4 < 0"),
                        text: format!("{relation}.{name} is negative; expected a positive number"),
                        effect: Effect::Written,
                    });
                }
                // Only converts it: the count is always 0.
                rules.push(is_no_uuid(relation, "endpoint_id"));
                rules
            }
            _ => vec![
                is_null(relation, "id", Effect::NoUrl),
                is_null(relation, "url", Effect::NoUrl),
            ],
        };
        rules.push(is_no_uuid(relation, "id"));
        rules.push(is_null(relation, "project_id", Effect::OfNoProject));
        rules.push(Rule {
            condition: "m.project_id::text !~ '^proj_[A-Za-z0-9_-]{1,64}$'".to_owned(),
            text: format!(
                "{relation}.project_id is no project of this service; expected proj_ and 1 to 64 letters, digits, \
                 _ or -"
            ),
            effect: Effect::OfNoProject,
        });
        rules
    }
}

fn is_null(relation: &str, column: &str, effect: Effect) -> Rule {
    Rule {
        condition: format!("m.{column} IS NULL"),
        text: format!("{relation}.{column} is NULL; expected a value"),
        effect,
    }
}

fn is_no_uuid(relation: &str, column: &str) -> Rule {
    Rule {
        // The conversion is an error, which names the value.
        condition: format!("m.{column}::uuid IS NULL AND m.{column} IS NOT NULL"),
        text: format!("{relation}.{column} is no UUID"),
        effect: Effect::Fails,
    }
}

fn is_no_time(relation: &str, column: &str, column_type: &ColumnType, effect: Effect) -> Rule {
    let time = column_type.as_time(&format!("m.{column}"));
    Rule {
        condition: format!(
            "({time} < '0001-01-01 00:00:00+00'::timestamptz OR {time} >= '10000-01-01 00:00:00+00'::timestamptz)"
        ),
        text: format!("{relation}.{column} is infinite or outside the years 1 to 9999"),
        effect,
    }
}
