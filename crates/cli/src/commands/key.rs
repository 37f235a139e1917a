//! `exportctl key`. A key is printed once, when it is created. Later it is named by its id or its first
//! characters.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use exports_database::ApiKey;
use exports_domain::ProjectId;
use exports_domain::time::to_wire;
use exports_service::settings::DatabaseSettings;
use uuid::Uuid;

use super::{open, unknown_project};
use crate::error::{Context, Error, Result};
use crate::output::{note, print};
use crate::table::{printable, table};

const COLUMNS: [&str; 7] = [
    "ID",
    "PROJECT",
    "PREFIX",
    "CREATED",
    "LAST USED",
    "REVOKED",
    "LABEL",
];

/// Manages API keys
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

impl Key {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Create(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Revoke(command) => command.run().await,
        }
    }
}

/// Creates a key and prints it to standard output; it cannot be shown again
#[derive(Debug, Args)]
pub(super) struct Create {
    /// The project that it gives access to
    #[arg(long)]
    project: ProjectId,
    /// A label, for operators
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Create {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let issued = database
            .create_key(&self.project, self.label.as_deref())
            .await
            .context("cannot create the key")?
            .ok_or_else(|| unknown_project(&self.project))?;
        note(&format!(
            "key {} for {}; it cannot be shown again",
            issued.id, self.project
        ));
        print(&issued.secret)
    }
}

/// Lists keys, newest first
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this project
    #[arg(long)]
    project: Option<ProjectId>,
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
        print(&key_table(&keys.context("cannot list the keys")?))
    }
}

/// Revokes a key immediately and permanently
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key's id, its first characters as 'key list' shows them, or the key itself
    #[arg(value_name = "KEY")]
    which: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Revoke {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let which = canonical(&self.which);
        // Checked first: an ambiguous name must not revoke any key.
        let keys = database
            .list_keys(None)
            .await
            .context("cannot find the key")?;
        if let [one, other, ..] = *matching(&keys, &which) {
            return Err(Error::new(format!(
                "{which} matches several keys, such as {} and {}: use the id",
                one.id, other.id
            )));
        }
        let revoked = database.revoke_keys(&which).await;
        let revoked = revoked.context("cannot revoke the key")?;
        // Without the argument: it may be a secret key of another installation.
        let Some(key) = revoked.first() else {
            return Err(Error::new(
                "no such key: 'exportctl key list' shows ids and first characters",
            ));
        };
        let before = keys.iter().find(|known| known.id == key.id);
        print(&match before.and_then(|known| known.revoked_at) {
            Some(at) => format!("{} was already revoked at {}", key.id, to_wire(at)),
            None => format!("revoked {} ({}) of {}", key.id, key.prefix, key.project_id),
        })
    }
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
        seconds(Some(key.created_at)),
        seconds(key.last_used_at),
        seconds(key.revoked_at),
        printable(key.label.as_deref().unwrap_or_default()),
    ]
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
