//! `exportctl admin key`. A key is printed once, when it is created. Later it is named by its id or its first
//! characters.

mod rotate;

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use exports_database::{ApiKey, Database, NewKey};
use exports_domain::time::to_wire;
use exports_domain::{KeyId, ProjectId, Scope};
use exports_service::settings::{DatabaseSettings, LogSettings, parse_duration};
use serde_json::{Value, json};
use uuid::Uuid;

use super::database::{open, unknown_project};
use crate::audit::{Audit, Change};
use crate::error::{Context, Error, Result};
use crate::output::{note, print};
use crate::table::{printable, table};

const COLUMNS: [&str; 9] = [
    "ID",
    "PROJECT",
    "PREFIX",
    "SCOPE",
    "CREATED",
    "LAST USED",
    "ENDS",
    "REVOKED",
    "LABEL",
];

/// Manages API keys
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum Key {
    Create(Create),
    Rotate(rotate::Rotate),
    List(List),
    Revoke(Revoke),
}

impl Key {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Create(command) => command.run().await,
            Self::Rotate(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Revoke(command) => command.run().await,
        }
    }
}

/// Creates a key and prints it to standard output; it cannot be shown again
#[derive(Debug, Args)]
pub(in crate::commands) struct Create {
    /// The project that it gives access to
    #[arg(long)]
    project: ProjectId,
    /// A label, for operators
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// What it may do: `read` (get, list, download) or `write` (create and delete as well)
    #[arg(long, value_name = "read|write", default_value = "write")]
    scope: Scope,
    /// How long it is valid, such as 90d [default: it does not expire]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires: Option<Duration>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Create {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let audit = Audit::open(&self.log)?;
        let new = NewKey {
            project: &self.project,
            label: self.label.as_deref(),
            scope: self.scope,
            valid_for: self.expires,
        };
        let issued = database
            .issue_key(&new)
            .await
            .context("cannot create the key")?
            .ok_or_else(|| unknown_project(&self.project))?;
        let expiry = expiry(issued.expires_at);
        let scope = self.scope;
        audit.done(Change {
            key: Some(KeyId(issued.id)),
            detail: &format!("scope {scope}, {expiry}"),
            ..Change::of_project("key.create", &self.project)
        });
        note(&format!(
            "key {} for {}, scope {scope}, {expiry}; it cannot be shown again",
            issued.id, self.project
        ));
        print(&issued.secret)
    }
}

fn expiry(expires_at: Option<DateTime<Utc>>) -> String {
    expires_at.map_or_else(
        || "does not expire".to_owned(),
        |at| format!("expires at {}", seconds(Some(at))),
    )
}

/// Lists keys, newest first
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    /// Only this project
    #[arg(long)]
    project: Option<ProjectId>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl List {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        if let Some(project) = &self.project {
            let exists = database.has_project(project).await;
            if !exists.context("cannot find the project")? {
                return Err(unknown_project(project));
            }
        }
        let keys = database.list_keys(self.project.as_ref()).await;
        let keys = keys.context("cannot list the keys")?;
        if self.json {
            let keys: Vec<_> = keys.iter().map(object).collect();
            return print(&Value::from(keys).to_string());
        }
        print(&key_table(&keys))
    }
}

/// Revokes a key immediately and permanently
#[derive(Debug, Args)]
pub(in crate::commands) struct Revoke {
    /// The key's id, its first characters as 'key list' shows them, or the key itself
    #[arg(value_name = "KEY")]
    which: String,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Revoke {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let audit = Audit::open(&self.log)?;
        let which = canonical(&self.which);
        let keys = unambiguous(&database, &which).await?;
        let revoked = database.revoke_keys(&which).await;
        let revoked = revoked.context("cannot revoke the key")?;
        // Without the argument: it may be a secret key of another installation.
        let Some(key) = revoked.first() else {
            return Err(unknown_key());
        };
        audit.done(Change {
            action: "key.revoke",
            project: Some(&key.project_id),
            key: Some(KeyId(key.id)),
            detail: "",
        });
        let before = keys.iter().find(|known| known.id == key.id);
        print(&match before.and_then(|known| known.revoked_at) {
            Some(at) => format!("{} was already revoked at {}", key.id, to_wire(at)),
            None => format!("revoked {} ({}) of {}", key.id, key.prefix, key.project_id),
        })
    }
}

fn unknown_key() -> Error {
    Error::new("no such key: 'exportctl admin key list' shows ids and first characters")
}

/// All keys. An error if the name matches several: it must not change any of them.
async fn unambiguous(database: &Database, which: &str) -> Result<Vec<ApiKey>> {
    let keys = database.list_keys(None).await;
    let keys = keys.context("cannot find the key")?;
    if let [one, other, ..] = *matching(&keys, which) {
        return Err(Error::new(format!(
            "{which} matches several keys, such as {} and {}: use the id",
            one.id, other.id
        )));
    }
    Ok(keys)
}

/// Ids are compared as text, so this converts them to the form of the database.
fn canonical(which: &str) -> String {
    match Uuid::try_parse(which) {
        Ok(id) => id.to_string(),
        Err(_) => which.to_owned(),
    }
}

fn matching<'a>(keys: &'a [ApiKey], which: &str) -> Vec<&'a ApiKey> {
    keys.iter()
        .filter(|key| key.prefix == which || key.id.to_string() == which)
        .collect()
}

/// A header and one line per key.
fn key_table(keys: &[ApiKey]) -> String {
    table(COLUMNS, keys.iter().map(cells))
}

fn cells(key: &ApiKey) -> [String; COLUMNS.len()] {
    [
        key.id.to_string(),
        key.project_id.clone(),
        key.prefix.clone(),
        key.scope.clone(),
        seconds(Some(key.created_at)),
        seconds(key.last_used_at),
        seconds(key.expires_at),
        seconds(key.revoked_at),
        printable(key.label.as_deref().unwrap_or_default()),
    ]
}

/// Never the key itself or its hash.
fn object(key: &ApiKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "project_id": key.project_id,
        "prefix": key.prefix,
        "scope": key.scope,
        "label": key.label,
        "created_at": to_wire(key.created_at),
        "last_used_at": key.last_used_at.map(to_wire),
        "expires_at": key.expires_at.map(to_wire),
        "replaced_by": key.replaced_by.map(|id| id.to_string()),
        "revoked_at": key.revoked_at.map(to_wire),
    })
}

fn seconds(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(prefix: &str) -> ApiKey {
        ApiKey {
            id: Uuid::nil(),
            project_id: "proj_a".to_owned(),
            prefix: prefix.to_owned(),
            label: None,
            created_at: DateTime::UNIX_EPOCH,
            last_used_at: None,
            scope: "write".to_owned(),
            expires_at: None,
            replaced_by: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_key_is_identified_by_its_prefix_or_by_its_id_in_any_format() {
        let keys = [
            key("exk_00000001"),
            key("exk_00000002"),
            key("exk_00000002"),
        ];
        assert_eq!(matching(&keys, "exk_00000001").len(), 1);
        assert_eq!(matching(&keys, "exk_00000002").len(), 2);
        assert_eq!(matching(&keys, "exk_0000000").len(), 0);
        assert_eq!(canonical(&"0".repeat(32)), Uuid::nil().to_string());
    }

    #[test]
    fn a_label_cannot_control_the_terminal_or_add_rows() {
        let text = key_table(&[ApiKey {
            label: Some("a\n\u{1b}[31mb".to_owned()),
            ..key("exk_00000001")
        }]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("a  [31mb"), "{text:?}");
    }
}
