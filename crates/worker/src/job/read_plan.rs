//! How the messages of an export are read: in one statement, or in slices by several readers.

use std::num::NonZeroU16;

use exports_database::Claim;
use exports_source::Error as SourceError;
use exports_source::{Estimate, SourceSession, TimeSlice};

use crate::context::Context;
use crate::job::SharedProgress;
use crate::pipeline::partition::{SliceTarget, TimePartition};
use crate::pipeline::readers::JoiningReaders;

pub(crate) struct ReadPlan {
    pub(crate) partition: TimePartition,
    pub(crate) joining: Option<JoiningReaders>,
    /// The number of threads that compress the file.
    pub(crate) packing_threads: NonZeroU16,
}

impl ReadPlan {
    pub(crate) async fn of(
        context: &Context,
        claim: &Claim,
        progress: &SharedProgress,
        session: &mut SourceSession,
        estimate: Estimate,
        target: SliceTarget,
    ) -> Result<Self, SourceError> {
        let readers = context.readers;
        let plan = |partition, joining| Self {
            partition,
            joining,
            packing_threads: NonZeroU16::new(readers).unwrap_or(NonZeroU16::MIN),
        };
        let whole = plan(
            TimePartition::whole(TimeSlice::whole(&claim.filter.range)),
            None,
        );
        // Few messages are read before anything is reported.
        if estimate != Estimate::Few
            && let Some(rows) = session.planned_rows(&claim.filter).await?
        {
            progress.set_planned_rows(rows);
        }
        match estimate {
            // The rows of a file are counted in their order.
            Estimate::Many { .. } if claim.options.max_rows_per_file().is_some() => Ok(whole),
            Estimate::Few => Ok(Self {
                packing_threads: NonZeroU16::MIN,
                ..whole
            }),
            Estimate::Unordered => Ok(whole),
            Estimate::SingleStatement(reason) => {
                tracing::info!(
                    reason,
                    "one statement reads all messages: another session or statement could see a different \
                     state of the source"
                );
                Ok(whole)
            }
            Estimate::Many { extent, sample } => {
                let partition = TimePartition::slices(extent, sample, readers, target);
                let count = readers.saturating_sub(1);
                if count == 0 {
                    return Ok(plan(partition, None));
                }
                let joining = JoiningReaders {
                    count,
                    sessions: context.sessions.clone(),
                    snapshot: session.export_snapshot().await?,
                };
                Ok(plan(partition, Some(joining)))
            }
        }
    }
}
