//! How much an export is going to read, found out by a few index probes before it reads: whether
//! reading it in slices is worth anything, and from when to when there are messages at all.

use exports_domain::MessageFilter;

use crate::error::Error;
use crate::session::SourceSession;
use crate::statements::End;
use crate::time_slice::TimeSlice;

/// What lies ahead of an export, filters by status and endpoint left aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Estimate {
    /// Few messages, perhaps none.
    Few,
    /// One statement has to read them all, for this reason: another would see other rows.
    SingleStatement(String),
    /// No index has them in the order of time, so that to read a slice is to read everything.
    Unordered,
    /// Many.
    Many {
        /// From the first message to the last.
        extent: TimeSlice,
        /// The first part of it, with as many messages as were asked about, or some more.
        sample: TimeSlice,
    },
}

impl SourceSession {
    /// Looks whether there are more than `few` messages, and where.
    pub async fn estimate(&mut self, filter: &MessageFilter, few: u32) -> Result<Estimate, Error> {
        if let Some(reason) = self.catalogue.reason_to_read_alone() {
            return Ok(Estimate::SingleStatement(reason));
        }
        let whole = TimeSlice::whole(&filter.range);
        let behind_few = self.query(filter)?.time(whole, End::First, few);
        if !self.goes_by_an_index(&behind_few).await? {
            return Ok(Estimate::Unordered);
        }
        let Some(reached) = self.time(&behind_few).await? else {
            return Ok(Estimate::Few);
        };
        let first = self.query(filter)?.time(whole, End::First, 0);
        let last = self.query(filter)?.time(whole, End::Last, 0);
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

    /// Whether the server takes the rows of a statement from an index in their order, rather than
    /// all of them and sorts.
    async fn goes_by_an_index(&mut self, statement: &str) -> Result<bool, Error> {
        for line in self.explain(statement).await? {
            let node = line.trim_start_matches([' ', '-', '>']);
            // An incremental sort has an index below it that goes by time.
            if node.starts_with("Sort") && !node.starts_with("Sort Key") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
