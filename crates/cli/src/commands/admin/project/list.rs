//! `exportctl admin project list`.

use clap::Args;
use exports_database::ListedProject;
use exports_domain::time::to_wire;
use exports_service::settings::DatabaseSettings;
use serde_json::{Map, Value, json};

use super::limits;
use crate::commands::admin::database::open;
use crate::error::{Context, Result};
use crate::output::{note, print};
use crate::table::table;

const COLUMNS: [&str; 6] = [
    "PROJECT",
    "CREATED",
    "SUSPENDED",
    "KEYS",
    "ACTIVE EXPORTS",
    "OWN LIMITS",
];

/// Lists projects with their keys, active exports and own limits
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl List {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let projects = database.list_projects().await;
        let projects = projects.context("cannot list the projects")?;
        if self.json {
            let projects: Vec<_> = projects.iter().map(object).collect();
            return print(&Value::from(projects).to_string());
        }
        if projects.is_empty() {
            note("no projects");
            return Ok(());
        }
        print(&table(COLUMNS, projects.iter().map(cells)))
    }
}

fn cells(project: &ListedProject) -> [String; COLUMNS.len()] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let seconds =
        |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let own = limits::own(project.limits);
    let own: Vec<_> = own.map(|(name, value)| format!("{name}={value}")).collect();
    [
        project.id.clone(),
        seconds(project.created_at),
        or_dash(project.suspended_at.map(seconds)),
        project.keys.to_string(),
        project.active_exports.to_string(),
        or_dash((!own.is_empty()).then(|| own.join(" "))),
    ]
}

fn object(project: &ListedProject) -> Value {
    let own = limits::own(project.limits);
    let own: Map<_, _> = own
        .map(|(name, value)| (name.to_string(), value.into()))
        .collect();
    json!({
        "id": project.id,
        "created_at": to_wire(project.created_at),
        "suspended_at": project.suspended_at.map(to_wire),
        "keys": project.keys,
        "active_exports": project.active_exports,
        "limits": own,
    })
}
