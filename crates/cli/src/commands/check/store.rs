//! Checks the object store with an object of its own: writes, reads, signs and deletes it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::error_line;
use exports_domain::{Clock, SystemClock};
use exports_objects::{FileHeaders, OpenError, Store, StoreConfig, StoreError};
use exports_service::settings::StoreSettings;
use url::Url;
use uuid::Uuid;

use super::clock;
use super::protection;
use super::report::{Finding, Report};
use crate::error::Result;

const CONTENT: &[u8] = b"exportctl check\r\n";
const LINK_TTL: Duration = Duration::from_mins(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn check(
    report: &mut Report,
    settings: &StoreSettings,
    has_signing_key: bool,
) -> Result<()> {
    let config = StoreConfig {
        url: settings.url.clone(),
        public_endpoint: settings.public_endpoint.clone(),
    };
    let store = match Store::open_existing(&config) {
        Ok(store) => store,
        Err(error) => {
            let fix = match &error {
                // These name the variable or the fix.
                OpenError::Environment(_) | OpenError::Directory(_) => "",
                OpenError::Url(_) => ": correct EXPORTS_OBJECT_STORE_URL",
                OpenError::PublicEndpoint(_) => ": correct EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
            };
            return report.add("store", &Finding::fail(format!("{error}{fix}")));
        }
    };
    if let Err(error) = store.check().await {
        return report.add("store", &failed(&error));
    }
    report.add("store", &Finding::ok(format!("{store} is reachable")))?;
    protection::directory(report, store.mode_for_others())?;
    let key = format!("exportctl-check/{}.csv", Uuid::new_v4());
    let checked = check_object(report, &store, &key, has_signing_key).await;
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
    let headers = FileHeaders::attachment("exportctl-check.csv");
    let written = store.put(key, CONTENT.into(), &headers).await;
    if let Err(error) = written {
        return report.add("store write", &failed(&error));
    }
    report.add("store write", &Finding::ok("an object was written"))?;
    report.add("store look-up", &check_size(store, key).await)?;
    if store.signs() {
        fetch_link(report, store, key).await?;
    } else {
        report.add("store read", &read_file(store, key).await)?;
        report.add("signed link", &api_serves(has_signing_key))?;
    }
    report.add("store upload", &begin_and_abort(store, key, &headers).await)
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

/// Downloads by a signed link, at the public address, as a consumer does.
async fn fetch_link(report: &mut Report, store: &Store, key: &str) -> Result<()> {
    let link = match store.sign(key, LINK_TTL).await {
        Ok(Some(link)) => link,
        Ok(None) => {
            return report.add(
                "signed link",
                &Finding::skip("this store has no signed links"),
            );
        }
        Err(error) => return report.add("signed link", &failed(&error)),
    };
    let before = SystemClock.now();
    let fetched = tokio::time::timeout(FETCH_TIMEOUT, fetch(store, &link)).await;
    let host = link.host_str().unwrap_or_default().to_owned();
    let fix = "consumers cannot download: correct EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT";
    let (status, body, date) = match fetched {
        Ok(Ok(fetched)) => fetched,
        Ok(Err(error)) => {
            // Without the URL, which contains the signature.
            let reason = error_line(&error.without_url());
            let text = format!("{host} is not reachable: {reason}; {fix}");
            return report.add("signed link", &Finding::fail(text));
        }
        Err(_) => {
            let text = format!("{host} does not respond within 10 s; {fix}");
            return report.add("signed link", &Finding::fail(text));
        }
    };
    let finding = if status == 200 && body == CONTENT {
        Finding::ok(format!("{host} serves the file without credentials"))
    } else {
        Finding::fail(format!(
            "{host} responds {status} instead of the file: {fix}, the credentials, or the clock"
        ))
    };
    report.add("signed link", &finding)?;
    let finding = match date {
        // The `Date` header has whole seconds.
        Some(date) => clock::compare(date, before, SystemClock.now(), TimeDelta::seconds(1)),
        None => Finding::skip("the store sends no Date header"),
    };
    report.add("store clock", &finding)
}

type Fetched = (u16, Vec<u8>, Option<DateTime<Utc>>);

async fn fetch(store: &Store, link: &Url) -> std::result::Result<Fetched, reqwest::Error> {
    let client = reqwest::Client::builder()
        // The certificates that consumers of this store must trust.
        .tls_certs_merge(store.roots())
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let response = client.get(link.clone()).send().await?;
    let date = response.headers().get(reqwest::header::DATE);
    let date = date
        .and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok())
        .map(|date| date.to_utc());
    let status = response.status().as_u16();
    Ok((status, response.bytes().await?.to_vec(), date))
}

async fn begin_and_abort(store: &Store, key: &str, headers: &FileHeaders) -> Finding {
    let upload = match store.begin_upload(key, headers).await {
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
        Ok(None) => Finding::ok("the object was deleted"),
        Ok(Some(_)) => Finding::fail(format!(
            "{key} still exists after its deletion: delete it manually"
        )),
        Err(error) => failed(&error),
    }
}

fn failed(error: &StoreError) -> Finding {
    // The error itself says what to do.
    Finding::fail(error.to_string())
}
