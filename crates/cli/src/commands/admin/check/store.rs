//! Checks the object store with an object of its own: writes, reads, signs and deletes it. As one of the
//! programs, only with the operations of that program.

use exports_domain::error_line;
use exports_objects::{ErrorKind, FileHeaders, Store, StoreError};
use exports_service::settings::StoreSettings;
use exports_service::start::{open_store, store_error};
use uuid::Uuid;

use super::link;
use super::protection;
use super::report::{Finding, Report};
use super::rights::As;
use crate::error::Result;

/// The content of the object.
pub(super) const CONTENT: &[u8] = b"exportctl admin check\r\n";

pub(super) async fn check(
    report: &mut Report,
    settings: &StoreSettings,
    has_signing_key: bool,
    who: Option<As>,
) -> Result<()> {
    let store = match open_store(settings, Store::open_existing) {
        Ok(store) => store,
        Err(error) => return report.add("store", &Finding::fail(error.to_string())),
    };
    if let Err(error) = store.check().await {
        let line = store_error(&store, &error).to_string();
        return report.add("store", &Finding::fail(line));
    }
    report.add("store", &Finding::ok(format!("{store} is reachable")))?;
    protection::directory(report, store.mode_for_others())?;
    let key = format!("exportctl-check/{}.csv", Uuid::new_v4());
    let checked = match who {
        Some(As::Api) => check_reading(report, &store, &key, has_signing_key).await,
        Some(As::Worker) => check_writing(report, &store, &key).await,
        None => check_object(report, &store, &key, has_signing_key).await,
    };
    let deleted = delete(&store, &key).await;
    report.add("store delete", &deleted)?;
    checked
}

async fn check_object(
    report: &mut Report,
    store: &Store,
    key: &str,
    has_signing_key: bool,
) -> Result<()> {
    if !write(report, store, key).await? {
        return Ok(());
    }
    if store.signs() {
        link::fetch(report, store, key, true).await?;
    } else {
        report.add("store read", &read_file(store, key).await)?;
        report.add("signed link", &api_serves(has_signing_key))?;
    }
    report.add("store upload", &begin_and_abort(store, key).await)
}

/// What a worker does, except for deleting.
async fn check_writing(report: &mut Report, store: &Store, key: &str) -> Result<()> {
    if !write(report, store, key).await? {
        return Ok(());
    }
    report.add("store upload", &begin_and_abort(store, key).await)
}

/// What the API does, except for deleting. It may not write, so there is no object with this key.
async fn check_reading(
    report: &mut Report,
    store: &Store,
    key: &str,
    has_signing_key: bool,
) -> Result<()> {
    let finding = match store.size(key).await {
        Ok(None) => Finding::ok("the store answers that there is no such object"),
        Ok(Some(_)) => Finding::fail("the store reports an object that was never written"),
        Err(error) if error.kind() == ErrorKind::Refused => Finding::warn(format!(
            "{error}: without s3:ListBucket, the store answers so for an object that does not exist"
        )),
        Err(error) => failed(&error),
    };
    report.add("store look-up", &finding)?;
    if store.signs() {
        return link::fetch(report, store, key, false).await;
    }
    report.add("signed link", &api_serves(has_signing_key))
}

/// Returns whether an object was written.
async fn write(report: &mut Report, store: &Store, key: &str) -> Result<bool> {
    let written = store.put(key, CONTENT.into(), &headers()).await;
    if let Err(error) = written {
        report.add("store write", &failed(&error))?;
        return Ok(false);
    }
    report.add("store write", &Finding::ok("an object was written"))?;
    report.add("store look-up", &check_size(store, key).await)?;
    Ok(true)
}

fn headers() -> FileHeaders {
    FileHeaders::attachment("exportctl-check.csv", "text/csv; charset=utf-8")
}

async fn check_size(store: &Store, key: &str) -> Finding {
    match store.size(key).await {
        Ok(Some(size)) if size == CONTENT.len() as u64 => {
            Finding::ok("the object has the expected size")
        }
        Ok(size) => Finding::fail(format!(
            "the store reports a size of {size:?} instead of {}: the object is not the one that was written",
            CONTENT.len()
        )),
        Err(error) => failed(&error),
    }
}

async fn read_file(store: &Store, key: &str) -> Finding {
    match store.read(key, None).await {
        Ok(_) => Finding::ok("the object can be read"),
        Err(error) => failed(&error),
    }
}

fn api_serves(has_signing_key: bool) -> Finding {
    if has_signing_key {
        Finding::skip("exports-api signs and serves the links of a file store")
    } else {
        Finding::warn(
            "exports-api serves the links of a file store: set EXPORTS_SIGNING_KEY for it",
        )
    }
}

async fn begin_and_abort(store: &Store, key: &str) -> Finding {
    let upload = match store.begin_upload(key, &headers()).await {
        Ok(upload) => upload,
        Err(error) => return failed(&error),
    };
    match upload.abort().await {
        Ok(()) => Finding::ok("a multipart upload was started and aborted"),
        Err(error) => failed(&error),
    }
}

async fn delete(store: &Store, key: &str) -> Finding {
    if let Err(error) = store.delete(key).await {
        return Finding::fail(format!(
            "{}: allow deletion, and delete {key} manually",
            error_line(&error)
        ));
    }
    match store.size(key).await {
        Ok(None) => Finding::ok("an object can be deleted"),
        Ok(Some(_)) => Finding::fail(format!(
            "{key} still exists after its deletion: delete it manually"
        )),
        Err(error) => failed(&error),
    }
}

pub(super) fn failed(error: &StoreError) -> Finding {
    // The error itself says what to do.
    Finding::fail(error.to_string())
}
