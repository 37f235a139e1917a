//! Estimates before an export reads, with a few index probes, how many messages there are and in which
//! time. The result decides whether several readers are useful.

use exports_domain::MessageFilter;

use crate::error::Error;
use crate::session::SourceSession;
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
        let whole = TimeSlice::whole(&filter.range);
        let after_few = self.statements(filter)?.time(whole, End::First, few);
        if !self.is_read_by_index(&after_few).await? {
            return Ok(Estimate::Unordered);
        }
        let Some(reached) = self.time(&after_few).await? else {
            return Ok(Estimate::Few);
        };
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

    /// Whether the plan of a statement reads the rows in the order of an index, without a sort.
    async fn is_read_by_index(&mut self, statement: &str) -> Result<bool, Error> {
        for line in self.explain(statement).await? {
            let node = line.trim_start_matches([' ', '-', '>']);
            // An incremental sort is accepted: below it is an index in the order of time.
            if node.starts_with("Sort") && !node.starts_with("Sort Key") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
