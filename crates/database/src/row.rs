//! Conversions between rows and domain types.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{
    Choice, EndpointId, Export, ExportFile, ExportId, ExportState, ExportStatus, Failure,
    FailureCode, Label, MessageFilter, MessageStatus, TimeRange, ValueSet,
};
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use crate::error::Error;
use crate::file_options;
use crate::split_files;

/// The columns of an export that consumers see. `status` is `expired` as soon as `expires_at` is past.
pub(crate) struct ExportRow {
    pub(crate) id: Uuid,
    pub(crate) project_id: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) direction: String,
    pub(crate) filter_start_time: DateTime<Utc>,
    pub(crate) filter_end_time: DateTime<Utc>,
    pub(crate) filter_status: Option<String>,
    pub(crate) filter_statuses: Option<Vec<String>>,
    pub(crate) filter_endpoint_id: Option<Uuid>,
    pub(crate) filter_endpoint_ids: Option<Vec<Uuid>>,
    pub(crate) status: String,
    pub(crate) attempt: i32,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) row_count: Option<i64>,
    pub(crate) file_size_bytes: Option<i64>,
    pub(crate) sha256: Option<Vec<u8>>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_message: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) retry_of: Option<Uuid>,
    pub(crate) snapshot_at: Option<DateTime<Utc>>,
    pub(crate) file_options: Option<String>,
    /// Lists leave it out.
    pub(crate) files: Option<String>,
}

/// The columns of an export's message filter.
pub(crate) struct FilterRow<'a> {
    pub(crate) id: Uuid,
    pub(crate) direction: &'a str,
    pub(crate) start_time: DateTime<Utc>,
    pub(crate) end_time: DateTime<Utc>,
    pub(crate) status: Option<&'a str>,
    pub(crate) statuses: Option<&'a [String]>,
    pub(crate) endpoint_id: Option<Uuid>,
    pub(crate) endpoint_ids: Option<&'a [Uuid]>,
}

impl FilterRow<'_> {
    fn status(&self) -> Result<Choice<MessageStatus>, Error> {
        let name = |name: &str| known(self.id, "filter_status", name);
        match (self.status, self.statuses) {
            (_, Some(names)) => {
                let statuses = names.iter().map(|it| name(it)).collect::<Result<_, _>>()?;
                choice(self.id, "filter_statuses", statuses)
            }
            (Some(only), None) => Ok(Choice::One(name(only)?)),
            (None, None) => Ok(Choice::Any),
        }
    }

    fn endpoint(&self) -> Result<Choice<EndpointId>, Error> {
        match self.endpoint_ids {
            Some(ids) => {
                let endpoints = ids.iter().copied().map(EndpointId).collect();
                choice(self.id, "filter_endpoint_ids", endpoints)
            }
            None => Ok(self.endpoint_id.map(EndpointId).into()),
        }
    }
}

fn choice<T: Ord>(id: Uuid, column: &'static str, list: Vec<T>) -> Result<Choice<T>, Error> {
    let size = list.len();
    let set = ValueSet::new(list)
        .map_err(|error| corrupt(id, column, &format_args!("{size} values: it {error}")))?;
    Ok(Choice::OneOf(set))
}

impl TryFrom<FilterRow<'_>> for MessageFilter {
    type Error = Error;

    fn try_from(row: FilterRow<'_>) -> Result<Self, Error> {
        let range = TimeRange::new(row.start_time, row.end_time)
            .map_err(|_| corrupt(row.id, "filter_end_time", &row.end_time))?;
        Ok(Self {
            range,
            direction: known(row.id, "direction", row.direction)?,
            status: row.status()?,
            endpoint: row.endpoint()?,
        })
    }
}

impl TryFrom<ExportRow> for Export {
    type Error = Error;

    fn try_from(row: ExportRow) -> Result<Self, Error> {
        let filter: MessageFilter = FilterRow {
            id: row.id,
            direction: &row.direction,
            start_time: row.filter_start_time,
            end_time: row.filter_end_time,
            status: row.filter_status.as_deref(),
            statuses: row.filter_statuses.as_deref(),
            endpoint_id: row.filter_endpoint_id,
            endpoint_ids: row.filter_endpoint_ids.as_deref(),
        }
        .try_into()?;
        Ok(Self {
            id: ExportId(row.id),
            project: known(row.id, "project_id", &row.project_id)?,
            options: file_options::parse(row.id, row.file_options.as_deref(), filter.direction)?,
            filter,
            label: label(row.id, row.label.as_deref())?,
            retry_of: row.retry_of.map(ExportId),
            attempt: u32::try_from(row.attempt)
                .map_err(|_| corrupt(row.id, "attempt", &row.attempt))?,
            created_at: row.created_at,
            state: row.state()?,
            progress: None,
        })
    }
}

impl ExportRow {
    fn state(self) -> Result<ExportState, Error> {
        Ok(match known(self.id, "status", &self.status)? {
            ExportStatus::Pending => ExportState::Pending,
            ExportStatus::Processing => ExportState::Processing {
                started_at: set(self.id, "started_at", self.started_at)?,
            },
            ExportStatus::Completed => ExportState::Completed(self.file()?),
            ExportStatus::Expired => ExportState::Expired(self.file()?),
            ExportStatus::Failed => ExportState::Failed {
                started_at: self.started_at,
                failure: Failure {
                    // A worker of a later version may write a code that is unknown here. The message
                    // is still valid.
                    code: set(self.id, "error_code", self.error_code)?
                        .parse()
                        .unwrap_or(FailureCode::InternalError),
                    message: set(self.id, "error_message", self.error_message)?,
                },
            },
        })
    }

    fn file(self) -> Result<ExportFile, Error> {
        let id = self.id;
        let count = |column, value: Option<i64>| {
            let value = set(id, column, value)?;
            u64::try_from(value).map_err(|_| corrupt(id, column, &value))
        };
        let sha256 = set(id, "sha256", self.sha256)?;
        Ok(ExportFile {
            started_at: set(id, "started_at", self.started_at)?,
            completed_at: set(id, "completed_at", self.completed_at)?,
            expires_at: set(id, "expires_at", self.expires_at)?,
            snapshot_at: self.snapshot_at,
            row_count: count("row_count", self.row_count)?,
            size_bytes: count("file_size_bytes", self.file_size_bytes)?,
            sha256: sha256
                .try_into()
                .map_err(|bytes: Vec<u8>| corrupt(id, "sha256", &bytes.len()))?,
            files: self
                .files
                .map(|text| split_files::parse(id, &text))
                .transpose()?,
        })
    }
}

fn label(id: Uuid, text: Option<&str>) -> Result<Option<Label>, Error> {
    let parse = |text: &str| text.parse().map_err(|_| corrupt(id, "label", &text));
    text.map(parse).transpose()
}

pub(crate) fn known<T: std::str::FromStr>(
    id: Uuid,
    column: &'static str,
    name: &str,
) -> Result<T, Error> {
    name.parse().map_err(|_| corrupt(id, column, &name))
}

fn set<T>(id: Uuid, column: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| corrupt(id, column, &"null"))
}

pub(crate) fn corrupt(id: Uuid, column: &'static str, value: &dyn ToString) -> Error {
    Error::Corrupt {
        row: format!("export {id}"),
        column,
        value: value.to_string(),
    }
}

/// Exact for every duration that the settings allow.
pub(crate) fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
    }
}

pub(crate) fn attempts(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
