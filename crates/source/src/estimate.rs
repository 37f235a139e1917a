//! Estimates before an export reads, with a few index probes, how many messages there are and in which
//! time. The result decides whether several readers are useful.

use exports_domain::MessageFilter;

use crate::endpoint_urls::EndpointUrls;
use crate::error::Error;
use crate::session::{SourceSession, explain, plan_of};
use crate::statements::End;
use crate::time_slice::TimeSlice;

/// How much an export reads. The filters by status and endpoint are not considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Estimate {
    /// Few messages or none.
    Few,
    /// One statement must read all messages, for this reason (see [`single_reader_reason`](crate::Catalogue::single_reader_reason)).
    SingleStatement(String),
    /// No index has the order of time, so each slice would read the whole table.
    Unordered,
    /// Many messages.
    Many {
        /// From the first message to the last.
        extent: TimeSlice,
        /// The beginning of `extent`, with a little more than `few` messages.
        sample: TimeSlice,
    },
}

impl SourceSession {
    /// Estimates whether there are more than `few` messages, and in which time.
    pub async fn estimate(&mut self, filter: &MessageFilter, few: u32) -> Result<Estimate, Error> {
        if let Some(reason) = self.catalogue.single_reader_reason() {
            return Ok(Estimate::SingleStatement(reason));
        }
        let after_few = self.after_few(filter, few)?;
        let plan = self.explain(&after_few).await?;
        self.estimate_by_index(filter, &after_few, &plan).await
    }

    /// [`Self::endpoint_urls`] and [`Self::estimate`], in one round trip less.
    pub async fn endpoint_urls_and_estimate(
        &mut self,
        max_endpoints: u16,
        filter: &MessageFilter,
        few: u32,
    ) -> Result<(EndpointUrls, Estimate), Error> {
        let urls = self.endpoint_urls_statement(filter.direction, max_endpoints)?;
        if let Some(reason) = self.catalogue.single_reader_reason() {
            let urls = EndpointUrls::of(self.connection.query(&urls).await?)?;
            return Ok((urls, Estimate::SingleStatement(reason)));
        }
        let after_few = self.after_few(filter, few)?;
        let statements = [urls, explain(&after_few)].join("; ");
        let rows = self.connection.query(&statements).await?;
        // A line of a plan has one column, an endpoint has several.
        let (plan, urls) = rows.into_iter().partition(|row| row.len() == 1);
        let (plan, urls) = (plan_of(plan)?, EndpointUrls::of(urls)?);
        let estimate = self.estimate_by_index(filter, &after_few, &plan).await?;
        Ok((urls, estimate))
    }

    /// Selects the time of the message after `few` others.
    fn after_few(&self, filter: &MessageFilter, few: u32) -> Result<String, Error> {
        let whole = TimeSlice::whole(&filter.range);
        Ok(self.statements(filter)?.time(whole, End::First, few))
    }

    /// The statement runs only after its plan is known: with a sort it would read the whole table.
    async fn estimate_by_index(
        &mut self,
        filter: &MessageFilter,
        after_few: &str,
        plan: &[String],
    ) -> Result<Estimate, Error> {
        if !is_read_by_index(plan) {
            return Ok(Estimate::Unordered);
        }
        let Some(reached) = self.time(after_few).await? else {
            return Ok(Estimate::Few);
        };
        let whole = TimeSlice::whole(&filter.range);
        let first = self.statements(filter)?.time(whole, End::First, 0);
        let last = self.statements(filter)?.time(whole, End::Last, 0);
        let (Some(first), Some(last)) = (self.time(&first).await?, self.time(&last).await?) else {
            return Ok(Estimate::Few);
        };
        Ok(Estimate::Many {
            extent: TimeSlice { first, last },
            sample: TimeSlice {
                first,
                last: reached,
            },
        })
    }
}

/// Whether a plan reads the rows in the order of an index, without a sort.
fn is_read_by_index(plan: &[String]) -> bool {
    !plan.iter().any(|line| {
        let node = line.trim_start_matches([' ', '-', '>']);
        // An incremental sort is accepted: below it is an index in the order of time.
        node.starts_with("Sort") && !node.starts_with("Sort Key")
    })
}
