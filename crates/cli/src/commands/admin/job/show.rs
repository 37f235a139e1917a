//! `exportctl admin job show`.

use clap::Args;
use exports_database::{Job, JobsRequest};
use exports_domain::time::to_wire;
use exports_domain::{Columns, CsvOptions, ExportId, quoted};
use exports_service::settings::DatabaseSettings;

use super::unknown_export;
use crate::commands::admin::database::open;
use crate::commands::admin::jobs::{done, object, span};
use crate::error::{Context, Result};
use crate::output::print;
use crate::table::printable;

/// Shows one export: its state, its failure as its consumer sees it, and the last attempt's error
#[derive(Debug, Args)]
pub(in crate::commands) struct Show {
    #[arg(value_name = "ID")]
    export: ExportId,
    /// Print a JSON object; durations are in seconds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Show {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let jobs = database.jobs(JobsRequest {
            statuses: &[],
            project: None,
            export: Some(self.export),
            limit: 1,
        });
        let jobs = jobs.await.context("cannot read the export")?;
        let job = jobs.first().ok_or_else(|| unknown_export(self.export))?;
        if self.json {
            print(&object(job).to_string())
        } else {
            print(&lines(job))
        }
    }
}

/// One line per property that the export has.
fn lines(job: &Job) -> String {
    let (code, message) = job.failure.clone().unzip();
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let options = job.options.given();
    let properties = [
        ("id", Some(job.id.to_string())),
        ("label", job.label.clone()),
        ("retry of", job.retry_of.map(|export| export.to_string())),
        ("project", Some(job.project.clone())),
        ("status", Some(job.status.to_string())),
        ("age", Some(span(job.age))),
        ("attempt", Some(job.attempt.to_string())),
        ("held by", job.owner.clone()),
        (
            "started",
            job.started_ago.map(|ago| format!("{} ago", span(ago))),
        ),
        ("format", options.format.map(|it| it.to_string())),
        ("compression", options.compression.map(|it| it.to_string())),
        ("columns", options.columns.as_ref().map(column_names)),
        ("timezone", options.timezone.map(|it| it.to_string())),
        ("csv", options.csv.map(dialect)),
        (
            "rows per file",
            options.max_rows_per_file.map(|it| it.to_string()),
        ),
        ("rows", number(job.rows)),
        ("bytes", number(job.bytes)),
        ("done", done(job)),
        ("snapshot at", job.snapshot_at.map(to_wire)),
        ("error code", code),
        ("error message", message),
        ("last attempt", job.attempt_error.clone()),
    ];
    let lines = properties.into_iter().filter_map(|(name, value)| {
        let value = printable(&value?);
        Some(format!("{name:14} {value}"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn column_names(columns: &Columns) -> String {
    let names: Vec<_> = columns.as_slice().iter().map(|it| it.as_str()).collect();
    names.join(", ")
}

/// Such as `delimiter ";", line ending crlf, header, formula guard`.
fn dialect(csv: CsvOptions) -> String {
    let switches = [
        ("header", csv.header),
        ("bom", csv.bom),
        ("formula guard", csv.formula_guard),
    ];
    let on = switches.into_iter().filter(|(_, is_on)| *is_on);
    let on: String = on.flat_map(|(name, _)| [", ", name]).collect();
    let CsvOptions {
        delimiter,
        line_ending,
        ..
    } = csv;
    format!(
        "delimiter {}, line ending {line_ending}{on}",
        quoted(delimiter.as_str())
    )
}
