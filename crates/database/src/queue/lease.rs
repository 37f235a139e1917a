//! The lease: heartbeats and the record of the multipart upload, and what a lost lease is.
//!
//! Every write of a worker carries the lease token and changes nothing if the lease is lost. The guard is
//! `lease_token = CASE status WHEN 'processing' …`. With a plain `status = 'processing'` the planner
//! would use the index of processing exports instead of the primary key. That index looks small to it,
//! but while a long snapshot is open it keeps an entry of every export since.

use std::time::Duration;

use exports_domain::Lease;
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;

/// The result of a write that carries a lease token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Leased<T = ()> {
    /// The lease was valid: the write is done.
    Held(T),
    /// The lease expired or was replaced by another claim: nothing was written.
    Lost,
}

/// The progress of an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Data rows encoded.
    pub rows: u64,
    /// Bytes passed to the upload.
    pub bytes: u64,
}

impl Database {
    /// Extends the lease to `duration` from now and records the progress. Safe to repeat.
    ///
    /// [`Self::report_progress`] records it as well, for consumers, but only while an attempt runs. The columns here stay
    /// until the next claim: `exportctl admin jobs` shows from them how far an attempt came that has ended, and how far the
    /// attempts of workers of earlier releases are.
    pub async fn heartbeat(
        &self,
        lease: Lease,
        duration: Duration,
        progress: Progress,
    ) -> Result<Leased, Error> {
        let beat = (lease, duration, progress);
        self.repeatable(&beat, |connection, (lease, duration, progress)| {
            Box::pin(async move {
                let row = sqlx::query!(
                    r#"
                        UPDATE exports
                        SET lease_expires_at = clock_timestamp() + $3, progress_rows = $4, progress_bytes = $5
                        WHERE id = $1 AND lease_token = CASE status WHEN 'processing' THEN $2::uuid END
                          AND lease_expires_at > clock_timestamp()
                        RETURNING id, lease_token AS "token!"
                    "#,
                    lease.export.0,
                    lease.token.0,
                    interval(*duration),
                    i64::try_from(progress.rows).unwrap_or(i64::MAX),
                    i64::try_from(progress.bytes).unwrap_or(i64::MAX),
                )
                .fetch_optional(connection)
                .await?;
                leased(*lease, row.map(|row| (row.id, row.token, ())))
            })
        })
        .await
    }

    /// Records that this attempt writes one more file: the one with this number, from 2. Call it before anything of the
    /// file is sent, and after the file before it is finished. `object_key` is that of the first. Safe to repeat.
    pub async fn record_file(
        &self,
        lease: Lease,
        object_key: &str,
        number: u32,
    ) -> Result<Leased, Error> {
        let file = (lease, object_key, i32::try_from(number).unwrap_or(i32::MAX));
        self.repeatable(&file, |connection, (lease, object_key, number)| {
            Box::pin(async move {
                let row = sqlx::query!(
                    r#"
                        UPDATE export_objects o SET files = $4, upload_id = NULL
                        FROM exports e
                        WHERE o.key = $3 AND o.state = 'writing' AND o.export_id = e.id
                          AND e.id = $1 AND e.lease_token = CASE e.status WHEN 'processing' THEN $2::uuid END
                          AND e.lease_expires_at > clock_timestamp()
                        RETURNING e.id, e.lease_token AS "token!"
                    "#,
                    lease.export.0,
                    lease.token.0,
                    object_key,
                    number,
                )
                .fetch_optional(connection)
                .await?;
                leased(*lease, row.map(|row| (row.id, row.token, ())))
            })
        })
        .await
    }

    /// Records the multipart upload of the file that this attempt writes now. `object_key` is that of its first file. Call
    /// it before the first part is sent. Safe to repeat.
    pub async fn record_upload(
        &self,
        lease: Lease,
        object_key: &str,
        upload_id: &str,
    ) -> Result<Leased, Error> {
        let upload = (lease, object_key, upload_id);
        self.repeatable(&upload, |connection, (lease, object_key, upload_id)| {
            Box::pin(async move {
                let row = sqlx::query!(
                    r#"
                        UPDATE export_objects o SET upload_id = $4
                        FROM exports e
                        WHERE o.key = $3 AND o.state = 'writing' AND o.export_id = e.id
                          AND e.id = $1 AND e.lease_token = CASE e.status WHEN 'processing' THEN $2::uuid END
                          AND e.lease_expires_at > clock_timestamp()
                        RETURNING e.id, e.lease_token AS "token!"
                    "#,
                    lease.export.0,
                    lease.token.0,
                    object_key,
                    upload_id,
                )
                .fetch_optional(connection)
                .await?;
                leased(*lease, row.map(|row| (row.id, row.token, ())))
            })
        })
        .await
    }
}

/// No row: the lease is lost. A row of another export: the connection is out of sync, see
/// [`Error::WrongExport`].
pub(super) fn leased<T>(lease: Lease, row: Option<(Uuid, Uuid, T)>) -> Result<Leased<T>, Error> {
    match row {
        None => Ok(Leased::Lost),
        Some((id, token, value)) if id == lease.export.0 && token == lease.token.0 => {
            Ok(Leased::Held(value))
        }
        Some((found, ..)) => Err(Error::WrongExport {
            expected: lease.export.0,
            found,
        }),
    }
}
