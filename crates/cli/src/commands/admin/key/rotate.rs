//! `exportctl admin key rotate`: a new key in place of an old one, with a time in which both work.

use std::time::Duration;

use clap::Args;
use exports_database::{ApiKey, Rotated};
use exports_domain::KeyId;
use exports_service::settings::{DatabaseSettings, LogSettings, parse_duration};

use super::{canonical, expiry, matching, seconds, unambiguous, unknown_key};
use crate::audit::{Audit, Change};
use crate::commands::admin::database::open;
use crate::error::{Context, Error, Result};
use crate::output::{note, print};

/// Issues a key with the rights of another one, which ends after an overlap, and prints the new key
#[derive(Debug, Args)]
pub(in crate::commands) struct Rotate {
    /// The key's id, or its first characters as 'key list' shows them
    #[arg(value_name = "KEY")]
    which: String,
    /// How long the old key still works
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    overlap: Duration,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Rotate {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let audit = Audit::open(&self.log)?;
        let which = canonical(&self.which);
        let keys = unambiguous(&database, &which).await?;
        let [old] = *matching(&keys, &which) else {
            return Err(unknown_key());
        };
        let rotated = database.rotate_key(old.id, self.overlap).await;
        let (new, ends) = match rotated.context("cannot rotate the key")? {
            Rotated::Done { new, old_ends_at } => (new, seconds(Some(old_ends_at))),
            Rotated::NotActive => return Err(not_active(old)),
        };
        let expiry = expiry(new.expires_at);
        audit.done(Change {
            action: "key.rotate",
            project: Some(&old.project_id),
            key: Some(KeyId(new.id)),
            detail: &format!("replaces {}, which ends at {ends}", old.id),
        });
        note(&format!(
            "key {} for {}, scope {}, {expiry}; it cannot be shown again. {} ends at {ends}",
            new.id, old.project_id, old.scope, old.id
        ));
        print(&new.secret)
    }
}

fn not_active(key: &ApiKey) -> Error {
    let reason = match (key.revoked_at, key.replaced_by, key.expires_at) {
        (Some(at), ..) => format!("was revoked at {}", seconds(Some(at))),
        (_, Some(new), _) => format!("was already replaced by {new}"),
        (.., Some(at)) => format!("ended at {}", seconds(Some(at))),
        _ => "has just been changed".to_owned(),
    };
    Error::new(format!(
        "key {} {reason}: it cannot be rotated; 'exportctl admin key create' creates another one",
        key.id
    ))
}
