//! The progress of exports that have not ended: the queue position of pending ones, the report of the running
//! attempt of the others.
//!
//! A statement of its own, after that of the exports, and only if one of them has not ended: most reads are of
//! ended exports and pay nothing.

use std::collections::HashMap;

use exports_domain::{AttemptProgress, Export, ExportState, Progress};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;

impl Database {
    /// Sets the progress of the exports that have not ended.
    pub async fn add_progress<'e>(
        &self,
        exports: impl IntoIterator<Item = &'e mut Export>,
    ) -> Result<(), Error> {
        let (mut pending, mut processing) = (Vec::new(), Vec::new());
        for export in exports {
            match export.state {
                ExportState::Pending => pending.push(export),
                ExportState::Processing { .. } => processing.push(export),
                ExportState::Completed(_)
                | ExportState::Failed { .. }
                | ExportState::Expired(_) => {}
            }
        }
        if !pending.is_empty() {
            let order = self.queue_order().await?;
            for export in pending {
                let position = order.position(export.id);
                export.progress = Some(Progress::Queued { position });
            }
        }
        if !processing.is_empty() {
            let ids: Vec<_> = processing.iter().map(|export| export.id.0).collect();
            let mut reports = self.attempt_progress(&ids).await?;
            for export in processing {
                let report = reports.remove(&export.id.0);
                // The report may be of a later attempt than the export that was read before.
                let report = report.filter(|(attempt, _)| *attempt == export.attempt);
                if let ExportState::Processing { started_at } = export.state {
                    let started = || AttemptProgress::started(started_at);
                    let progress = report.map_or_else(started, |(_, progress)| progress);
                    export.progress = Some(Progress::Running(progress));
                }
            }
        }
        Ok(())
    }

    /// The latest report of each running attempt, with the number of the attempt.
    async fn attempt_progress(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, (u32, AttemptProgress)>, Error> {
        self.repeatable(ids, |connection, ids| {
            Box::pin(async move {
                let rows = sqlx::query!(
                    r#"
                    SELECT e.id, e.attempt, p.rows_written, p.bytes_written, p.percent, p.seconds_remaining, p.updated_at
                    FROM exports e JOIN export_progress p ON p.export_id = e.id AND p.lease_token = e.lease_token
                    -- No condition on the status, for which the planner would use the small index of the queue
                    -- with all its dead entries. A row of an attempt that has ended does no harm.
                    WHERE e.id = ANY ($1)
                    "#,
                    ids,
                )
                .fetch_all(connection)
                .await?;
                let count = |count: i64| count.unsigned_abs();
                Ok(rows
                    .into_iter()
                    .map(|row| {
                        let progress = AttemptProgress {
                            rows_written: count(row.rows_written),
                            bytes_written: count(row.bytes_written),
                            percent: row.percent.and_then(|it| u8::try_from(it).ok()),
                            seconds_remaining: row
                                .seconds_remaining
                                .and_then(|it| u32::try_from(it).ok()),
                            updated_at: row.updated_at,
                        };
                        (row.id, (row.attempt.unsigned_abs(), progress))
                    })
                    .collect())
            })
        })
        .await
    }
}
