//! `exportctl admin jobs`.

use std::time::Duration;

use clap::Args;
use exports_database::{Job, JobsRequest};
use exports_domain::time::to_wire;
use exports_domain::{
    Columns, Compression, CsvOptions, ExportStatus, FileFormat, FileOptions, FileTimeZone,
    ProjectId, RowsPerFile,
};
use exports_service::settings::{DatabaseSettings, number};
use indicatif::{BinaryBytes, HumanCount};
use serde_json::{Value, json};

use super::database::open;
use crate::error::{Context, Result};
use crate::output::{note, print};
use crate::table::{printable, table};

const COLUMNS: [&str; 12] = [
    "ID",
    "PROJECT",
    "STATUS",
    "AGE",
    "ATTEMPT",
    "HELD BY",
    "SINCE",
    "LEASE",
    "ROWS",
    "SIZE",
    "DONE",
    "DUE OR FAILURE",
];

/// Lists exports with their workers, leases, progress and errors
#[derive(Debug, Args)]
pub(in crate::commands) struct Jobs {
    /// Only this status; can be repeated [default: pending and processing]
    #[arg(long, value_name = "STATUS")]
    status: Vec<ExportStatus>,
    /// Only this project
    #[arg(long)]
    project: Option<ProjectId>,
    /// Maximum number of exports
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = number(1_u16..=10_000))]
    limit: u16,
    /// Print JSON; durations are in seconds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Jobs {
    pub(super) async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let statuses = match self.status.as_slice() {
            [] => &[ExportStatus::Pending, ExportStatus::Processing],
            some => some,
        };
        let limit = usize::from(self.limit);
        let jobs = database.jobs(JobsRequest {
            statuses,
            project: self.project.as_ref(),
            export: None,
            // One more, to know whether there are more.
            limit: self.limit + 1,
        });
        let mut jobs = jobs.await.context("cannot list the exports")?;
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        if self.json {
            let jobs: Vec<_> = jobs.iter().map(object).collect();
            print(&Value::from(jobs).to_string())?;
        } else if jobs.is_empty() {
            note("no exports");
        } else {
            print(&table(COLUMNS, jobs.iter().map(cells)))?;
        }
        if more {
            note("there are more: --limit shows them");
        }
        Ok(())
    }
}

/// Only an export of a suspended project is due that late.
const HELD: Duration = Duration::from_hours(1000 * 366 * 24);

fn cells(job: &Job) -> [String; COLUMNS.len()] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let due = match job.due_in {
        Duration::ZERO => None,
        due_in if due_in > HELD => Some("its project is suspended".to_owned()),
        due_in => Some(format!("due in {}", span(due_in))),
    };
    let failure = failure(job).map(|text| printable(&text));
    let remarks: Vec<_> = due.into_iter().chain(failure).collect();
    [
        job.id.to_string(),
        job.project.clone(),
        job.status.to_string(),
        span(job.age),
        job.attempt.to_string(),
        or_dash(job.owner.as_deref().map(printable)),
        or_dash(job.started_ago.map(span)),
        or_dash(job.lease_left.map(|left| match left {
            Duration::ZERO => "expired".to_owned(),
            left => span(left),
        })),
        or_dash(job.rows.map(|rows| HumanCount(rows).to_string())),
        or_dash(job.bytes.map(|bytes| BinaryBytes(bytes).to_string())),
        or_dash(done(job)),
        or_dash((!remarks.is_empty()).then(|| remarks.join("; "))),
    ]
}

/// How far a running export has come, if that can be estimated.
pub(super) fn done(job: &Job) -> Option<String> {
    let percent = job.percent?;
    Some(match job.remaining {
        None => format!("{percent}%"),
        Some(remaining) => format!("{percent}%, {} left", span(remaining)),
    })
}

/// What the consumer sees of a failed export, and why the latest attempt ended early.
pub(super) fn failure(job: &Job) -> Option<String> {
    let attempt = job.attempt_error.as_deref();
    match &job.failure {
        None => attempt.map(|error| format!("last attempt: {error}")),
        Some((code, message)) => Some(match attempt.filter(|error| error != message) {
            None => format!("{code}: {message}"),
            Some(error) => format!("{code}: {message} (last attempt: {error})"),
        }),
    }
}

pub(super) fn object(job: &Job) -> Value {
    let (code, message) = job.failure.clone().unzip();
    json!({
        "id": job.id.to_string(),
        "project_id": job.project,
        "status": job.status.as_str(),
        "attempt": job.attempt,
        "age_s": job.age.as_secs_f64(),
        "due_in_s": job.due_in.as_secs_f64(),
        "held_by": job.owner,
        "started_ago_s": job.started_ago.map(|span| span.as_secs_f64()),
        "lease_left_s": job.lease_left.map(|span| span.as_secs_f64()),
        "rows": job.rows,
        "bytes": job.bytes,
        "percent": job.percent,
        "remaining_s": job.remaining.map(|span| span.as_secs_f64()),
        "snapshot_at": job.snapshot_at.map(to_wire),
        "error_code": code,
        "error_message": message,
        "attempt_error": job.attempt_error,
        "label": job.label,
        "retry_of": job.retry_of.map(|export| export.to_string()),
        "file_options": file_options(&job.options),
    })
}

/// The options that the request gave, by their names in the API. Null: none.
fn file_options(options: &FileOptions) -> Value {
    if options.is_plain() {
        return Value::Null;
    }
    let given = options.given();
    let csv = |csv: CsvOptions| {
        json!({
            "delimiter": csv.delimiter.as_str(),
            "line_ending": csv.line_ending.as_str(),
            "header": csv.header,
            "bom": csv.bom,
            "formula_guard": csv.formula_guard,
        })
    };
    let columns = |columns: &Columns| {
        let columns = columns.as_slice().iter();
        columns.map(|it| it.as_str()).collect::<Vec<_>>()
    };
    let mut shown = json!({
        "format": given.format.map(FileFormat::as_str),
        "compression": given.compression.map(Compression::as_str),
        "columns": given.columns.as_ref().map(columns),
        "timezone": given.timezone.map(FileTimeZone::name),
        "csv": given.csv.map(csv),
        "max_rows_per_file": given.max_rows_per_file.map(RowsPerFile::get),
    });
    if let Some(options) = shown.as_object_mut() {
        options.retain(|_, value| !value.is_null());
    }
    shown
}

/// At most two units, such as `1h 1m`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_with_at_most_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (90, "1m 30s"),
            (3_661, "1h 1m"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
