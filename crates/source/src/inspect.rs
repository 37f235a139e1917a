//! Checks the source without exporting, for `exportctl admin check`.

use chrono::{DateTime, Utc};
use exports_domain::MessageFilter;

use crate::error::Error;
use crate::row::values;
use crate::session::SourceSession;
use crate::statements::{End, UrlColumn, endpoints_statement};
use crate::time_slice::{TimeSlice, micros_of, parse_micros};

/// Some message of the source.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its project.
    pub project: String,
    /// Its direction.
    pub direction: String,
    /// Its creation time.
    pub created_at: DateTime<Utc>,
}

impl SourceSession {
    /// The query plan for the rows of a filter. With `by_index_only`, other access methods are
    /// disabled, so the plan shows whether a suitable index exists.
    pub async fn plan(
        &mut self,
        filter: &MessageFilter,
        by_index_only: bool,
    ) -> Result<Vec<String>, Error> {
        let others = if by_index_only { "off" } else { "on" };
        let settings = format!(
            "SET LOCAL enable_seqscan = {others}; SET LOCAL enable_bitmapscan = {others}; \
             SET LOCAL enable_sort = {others}"
        );
        self.connection.query(&settings).await?;
        let whole = TimeSlice::whole(&filter.range);
        let select = self.statements(filter)?.select(whole, UrlColumn::Null);
        self.explain(&select).await
    }

    /// Lets the server plan every statement of an export. Reads nothing.
    pub async fn try_statements(&mut self, filter: &MessageFilter) -> Result<(), Error> {
        let whole = TimeSlice::whole(&filter.range);
        let statements = self.statements(filter)?;
        let statements = [
            statements.select(whole, UrlColumn::Null),
            statements.select(whole, UrlColumn::Joined),
            statements.time(whole, End::First, 0),
            statements.time(whole, End::Last, 0),
            endpoints_statement(&self.catalogue, statements.project(), filter.direction, 1),
            self.excluded_rows_statement(filter)?,
        ];
        for statement in statements {
            self.explain(&statement).await?;
        }
        Ok(())
    }

    /// Some message, if there is any, and whether there are only a few.
    pub async fn sample(&mut self) -> Result<(Option<Sample>, bool), Error> {
        let statement = format!(
            "SELECT project_id::text, direction::text, {} FROM messages \
             WHERE project_id IS NOT NULL AND direction IS NOT NULL AND isfinite(created_at::timestamptz) \
             LIMIT 1",
            micros_of("created_at")
        );
        let row = self.connection.query(&statement).await?.pop();
        let sample = row.map(|row| {
            let [Some(project), Some(direction), Some(created_at)] = values(row)? else {
                return Err(Error::UnexpectedAnswer("the sample query"));
            };
            let created_at = parse_micros(&created_at)?.to_utc();
            Ok(Sample {
                project,
                direction,
                created_at: created_at.ok_or(Error::UnexpectedAnswer("the sample query"))?,
            })
        });
        let few = "SELECT count(*) <= 10000 FROM (SELECT FROM messages LIMIT 10001) first";
        let few = self.connection.is_true(few).await?;
        Ok((sample.transpose()?, few))
    }
}
