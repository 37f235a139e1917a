//! `exportctl admin reconcile`: compares the records with the objects of the store.
//!
//! Both sides are read in pages, so memory is bounded. What is in flight is never touched: an object is
//! only reported if no record names it, its export does not run, and it is older than an hour; a record
//! only if it is completed and the store says twice that its file does not exist.

use std::time::{Duration, SystemTime};

use clap::Args;
use exports_database::{Database, ExpectedFile, FoundObject};
use exports_domain::{ExportId, FileOptions, ProjectId};
use exports_objects::{Store, StoredObject};
use exports_service::settings::{DatabaseSettings, LogSettings, StoreSettings};
use exports_service::start::{open_store, store_error};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::BinaryBytes;
use serde_json::json;
use uuid::fmt::Hyphenated;

use crate::audit::{Audit, Change};
use crate::commands::admin::database::open;
use crate::error::{Context, Error, Result};
use crate::output::print;
use crate::table::printable;

/// Records or objects per query.
const PAGE: u16 = 1_000;
/// Look-ups or deletions at the same time.
const CONCURRENCY: usize = 32;
/// The workers record a key before they write its object. This is for clocks that differ.
const MIN_AGE: Duration = Duration::from_hours(1);

/// Lists files without a record, and completed exports without a file
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 if nothing was found or all of it was repaired, 3 if something was found and --delete was \
not given, 1 if the command failed.")]
pub(in crate::commands) struct Reconcile {
    /// Delete the files without a record, and expire the exports without a file
    #[arg(long)]
    delete: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// What was found and done.
#[derive(Debug, Default)]
struct Totals {
    /// Objects that have the form of our keys.
    objects: u64,
    /// Objects that have another form, which are ignored.
    foreign: u64,
    unknown: u64,
    unknown_bytes: u64,
    deleted: u64,
    records: u64,
    missing: u64,
    expired: u64,
}

impl Reconcile {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        // An error means that one is installed.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let store = open_store(&self.store, Store::open_existing)?;
        let checked = store.check().await;
        checked.map_err(|error| store_error(&store, &error))?;
        let audit = self.delete.then(|| Audit::open(&self.log)).transpose()?;
        let mut totals = Totals::default();
        self.objects(&database, &store, &mut totals).await?;
        self.records(&database, &store, &mut totals).await?;
        if let Some(audit) = audit {
            let detail = format!("deleted={} expired={}", totals.deleted, totals.expired);
            audit.done(Change {
                action: "files.reconcile",
                project: None,
                key: None,
                detail: &detail,
            });
        }
        self.summary(&totals)?;
        match totals.unknown + totals.missing {
            found if found > 0 && !self.delete => Err(Error::Findings),
            _ => Ok(()),
        }
    }

    /// Objects without a record.
    async fn objects(&self, database: &Database, store: &Store, totals: &mut Totals) -> Result<()> {
        let now = SystemTime::now();
        let mut pages = store.list().try_chunks(PAGE.into());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| error.1);
            let page = page.context("cannot list the files")?;
            let listed = page.len() as u64;
            let ours: Vec<_> = page.iter().filter_map(Ours::of).collect();
            totals.objects += ours.len() as u64;
            totals.foreign += listed - ours.len() as u64;
            let old: Vec<_> = ours.into_iter().filter(|found| found.is_old(now)).collect();
            let found: Vec<_> = old
                .iter()
                .map(|object| FoundObject {
                    key: &object.key,
                    export: object.export,
                })
                .collect();
            let unknown = database.unknown_objects(&found).await;
            let unknown = unknown.context("cannot compare the files with the records")?;
            let unknown: Vec<_> = unknown.iter().filter_map(|&at| old.get(at)).collect();
            for object in &unknown {
                self.print_object(object)?;
                totals.unknown += 1;
                totals.unknown_bytes += object.size;
            }
            if self.delete {
                totals.deleted += delete(store, &unknown).await?;
            }
        }
        Ok(())
    }

    /// Completed exports without an object.
    async fn records(&self, database: &Database, store: &Store, totals: &mut Totals) -> Result<()> {
        let mut after = None;
        loop {
            let page = database.expected_files(after, PAGE).await;
            let page = page.context("cannot list the exports")?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.export);
            let exports = page.iter().filter(|file| file.object_key == file.first_key);
            totals.records += exports.count() as u64;
            for file in missing(store, page).await? {
                self.print_record(&file)?;
                totals.missing += 1;
                if self.delete {
                    let expired = database.expire_file(file.export, &file.first_key).await;
                    totals.expired += u64::from(expired.context("cannot expire the export")?);
                }
            }
        }
    }

    fn print_object(&self, object: &Ours) -> Result<()> {
        let Ours { stored, size, .. } = object;
        if self.json {
            let line =
                json!({ "finding": "file_without_record", "key": stored, "size_bytes": size });
            return print(&line.to_string());
        }
        let size = BinaryBytes(*size);
        print(&format!(
            "file without record  {}  {size}",
            printable(stored)
        ))
    }

    fn print_record(&self, file: &ExpectedFile) -> Result<()> {
        let ExpectedFile {
            export,
            object_key,
            first_key: _,
            size_bytes,
        } = file;
        if self.json {
            let line = json!({
                "finding": "record_without_file",
                "key": object_key,
                "size_bytes": size_bytes,
                "export_id": export.to_string(),
            });
            return print(&line.to_string());
        }
        let size = BinaryBytes(*size_bytes);
        print(&format!(
            "record without file  {}  {size}",
            printable(object_key)
        ))
    }

    fn summary(&self, totals: &Totals) -> Result<()> {
        if self.json {
            let line = json!({
                "files": totals.objects,
                "other_objects": totals.foreign,
                "files_without_record": totals.unknown,
                "files_without_record_bytes": totals.unknown_bytes,
                "files_deleted": totals.deleted,
                "records": totals.records,
                "records_without_file": totals.missing,
                "records_expired": totals.expired,
            });
            return print(&line.to_string());
        }
        let (unknown, missing) = (totals.unknown, totals.missing);
        let done = match (self.delete, unknown + missing) {
            (_, 0) => String::new(),
            (true, _) => format!(
                "; deleted {} files, expired {} exports",
                totals.deleted, totals.expired
            ),
            (false, _) => {
                "; nothing was changed: --delete deletes these files and expires these exports"
                    .to_owned()
            }
        };
        let foreign = match totals.foreign {
            0 => String::new(),
            foreign => format!(" ({foreign} other objects were ignored)"),
        };
        print(&format!(
            "{} files{foreign}, {unknown} without record ({}); {} completed exports, {missing} without file{done}",
            totals.objects,
            BinaryBytes(totals.unknown_bytes),
            totals.records,
        ))
    }
}

/// The files that do not exist.
async fn missing(store: &Store, files: Vec<ExpectedFile>) -> Result<Vec<ExpectedFile>> {
    let looked_up = stream::iter(files).map(async |file| {
        let is_missing = store.is_missing(&file.object_key).await?;
        Ok::<_, exports_objects::StoreError>(is_missing.then_some(file))
    });
    let found: Vec<_> = looked_up
        .buffered(CONCURRENCY)
        .try_filter_map(|missing| std::future::ready(Ok(missing)))
        .try_collect()
        .await
        .context("cannot look up a file")?;
    Ok(found)
}

async fn delete(store: &Store, objects: &[&Ours]) -> Result<u64> {
    let deleted = stream::iter(objects).map(|object| store.delete(&object.key));
    let deleted = deleted.buffer_unordered(CONCURRENCY);
    let deleted: Vec<()> = deleted
        .try_collect()
        .await
        .context("cannot delete a file")?;
    Ok(deleted.len() as u64)
}

/// An object whose key has the form `<project>/<export>/<attempt>-<token>.csv`, or `…-0002.csv` if it is not the first
/// file of an export that is split.
#[derive(Debug, PartialEq, Eq)]
struct Ours {
    /// The key that a record would have.
    key: String,
    /// The key in the store: for a staging file of a directory, with `#` and digits.
    stored: String,
    export: ExportId,
    size: u64,
    modified: SystemTime,
}

impl Ours {
    fn of(object: &StoredObject) -> Option<Self> {
        let key = match object.key.split_once('#') {
            None => object.key.as_str(),
            Some((key, number)) => is_number(number).then_some(key)?,
        };
        let parts: Vec<_> = key.split('/').collect();
        let [project, export, name] = parts.as_slice() else {
            return None;
        };
        project.parse::<ProjectId>().ok()?;
        let export = export.parse().ok()?;
        let (attempt, file) = name.split_once('-')?;
        let (token, extension) = file.split_once('.')?;
        if !FileOptions::EXTENSIONS.contains(&extension) {
            return None;
        }
        let (token, number) = token.split_at_checked(Hyphenated::LENGTH)?;
        uuid::Uuid::try_parse(token).ok()?;
        let is_file = |number: &str| number.len() >= 4 && is_number(number);
        if !number.is_empty() && !number.strip_prefix('-').is_some_and(is_file) {
            return None;
        }
        is_number(attempt).then(|| Self {
            key: key.to_owned(),
            export,
            size: object.size,
            modified: object.modified,
            stored: object.key.clone(),
        })
    }

    fn is_old(&self, now: SystemTime) -> bool {
        now.duration_since(self.modified)
            .is_ok_and(|age| age > MIN_AGE)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_our_form_are_ours() {
        let of = |key: &str| {
            let ours = Ours::of(&StoredObject {
                key: key.to_owned(),
                size: 1,
                modified: SystemTime::UNIX_EPOCH,
            });
            ours.map(|ours| ours.key)
        };
        let key = "proj_a/01935abc-0000-7000-8000-000000000001/12-0190a1b2-0000-7000-8000-000000000001.csv";
        assert_eq!(of(key).as_deref(), Some(key));
        assert_eq!(of(&format!("{key}#3")).as_deref(), Some(key));
        let second = key.replace(".csv", "-0002.csv.gz");
        assert_eq!(of(&second).as_deref(), Some(second.as_str()));
        for other in [
            "proj_a/01935abc-0000-7000-8000-000000000001/notes.csv",
            "backup/01935abc-0000-7000-8000-000000000001/1-0190a1b2-0000-7000-8000-000000000001.csv",
            "proj_a/x/1-0190a1b2-0000-7000-8000-000000000001.csv",
            "proj_a/01935abc-0000-7000-8000-000000000001/1-0190a1b2-0000-7000-8000-000000000001.csv/x",
            "proj_a/01935abc-0000-7000-8000-000000000001/1-0190a1b2-0000-7000-8000-000000000001.csv#x",
            "proj_a/01935abc-0000-7000-8000-000000000001/1-0190a1b2-0000-7000-8000-000000000001-02.csv",
            "proj_a/01935abc-0000-7000-8000-000000000001/1-0190a1b2-0000-7000-8000-000000000001-000x.csv",
            ".writable-1",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
