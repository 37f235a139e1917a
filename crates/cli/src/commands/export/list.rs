//! `exportctl export list`.

use clap::Args;
use console::Term;
use exports_service::settings::ConsumerSettings;
use indicatif::{BinaryBytes, HumanCount};

use crate::client::Export;
use crate::commands::connection::connect;
use crate::commands::response::parse;
use crate::error::Result;
use crate::output::{note, print};
use crate::table::{printable, table};

/// The most exports of one request.
const PAGE: u16 = 500;
/// The columns before the label.
const WITHOUT_LABEL: usize = 98;
const SHORTEST_LABEL: usize = 10;

/// Lists exports, newest first
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    /// Only exports with this status
    #[arg(long)]
    status: Option<String>,
    /// At most so many exports
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let limit = self.limit as usize;
        let (mut exports, mut cursor) = (Vec::new(), None);
        loop {
            let missing = u16::try_from(limit - exports.len())
                .unwrap_or(u16::MAX)
                .min(PAGE);
            let page = client
                .list(missing, self.status.as_deref(), cursor.as_deref())
                .await?;
            exports.extend(page.exports);
            cursor = page.next_cursor;
            if cursor.is_none() || exports.len() >= limit {
                break;
            }
        }
        if self.json {
            return print(&serde_json::Value::Array(exports).to_string());
        }
        if exports.is_empty() {
            note("There are no such exports. Create one with 'exportctl export create'.");
            return Ok(());
        }
        let rows = exports
            .iter()
            .map(|export| Ok(row(&parse(export)?)))
            .collect::<Result<Vec<_>>>()?;
        let header = ["ID", "STATUS", "ROWS", "SIZE", "CREATED", "LABEL"];
        print(&table(header, rows))?;
        if cursor.is_some() {
            note("There are more: --limit shows them.");
        }
        Ok(())
    }
}

fn row(export: &Export) -> [String; 6] {
    let percent = export
        .progress
        .as_ref()
        .and_then(|progress| progress.percent);
    let status = match percent {
        Some(percent) => format!("{} {percent} %", export.status),
        None => export.status.clone(),
    };
    let rows = export
        .progress
        .as_ref()
        .and_then(|progress| progress.rows_written);
    let count = |rows: u64| HumanCount(rows).to_string();
    [
        export.id.to_string(),
        status,
        export.row_count.or(rows).map_or_else(String::new, count),
        export
            .file_size_bytes
            .map_or_else(String::new, |bytes| BinaryBytes(bytes).to_string()),
        export.created_at.map_or_else(String::new, |time| {
            time.format("%Y-%m-%d %H:%M:%S").to_string()
        }),
        export
            .label
            .as_deref()
            .map_or_else(String::new, |label| shortened(&printable(label))),
    ]
}

/// The label, so that the line fits the terminal.
fn shortened(label: &str) -> String {
    let Some((_, width)) = Term::stdout().size_checked() else {
        return label.to_owned();
    };
    let width = usize::from(width)
        .saturating_sub(WITHOUT_LABEL)
        .max(SHORTEST_LABEL);
    console::truncate_str(label, width, "…").into_owned()
}
