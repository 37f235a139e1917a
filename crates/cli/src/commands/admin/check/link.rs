//! Checks a signed link, and the clock of the store.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::{Clock, SystemClock, error_line};
use exports_objects::Store;
use url::{Host, Url};

use super::clock;
use super::report::{Finding, Report};
use super::store::{CONTENT, failed};
use crate::error::Result;

const LINK_TTL: Duration = Duration::from_mins(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// The variables with the address of an S3 store, in their order of precedence.
const S3_ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// Downloads by a signed link, at the public address, as a consumer does. If the object does not exist, the store
/// answers that only to a request whose signature it accepts.
pub(super) async fn fetch(
    report: &mut Report,
    store: &Store,
    key: &str,
    exists: bool,
) -> Result<()> {
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
    let fetched = tokio::time::timeout(FETCH_TIMEOUT, request(store, &link)).await;
    let host = link.host_str().unwrap_or_default().to_owned();
    let fix = "consumers cannot download: correct EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT";
    let (status, body, date) = match fetched {
        Ok(Ok(fetched)) => fetched,
        Ok(Err(error)) => {
            // Without the URL, which contains the signature.
            let reason = error_line(&error.without_url());
            if is_loopback(&link) && store_is_elsewhere() {
                return report.add("signed link", &only_there(&link, &reason));
            }
            let text = format!("{host} is not reachable: {reason}; {fix}");
            return report.add("signed link", &Finding::fail(text));
        }
        Err(_) => {
            let text = format!("{host} does not respond within 10 s; {fix}");
            return report.add("signed link", &Finding::fail(text));
        }
    };
    let finding = match status {
        200 if exists && body == CONTENT => {
            Finding::ok(format!("{host} serves the file without credentials"))
        }
        404 if !exists => Finding::ok(format!(
            "{host} accepts the signature, and responds that there is no such object"
        )),
        // A store that does not allow to list the bucket answers so for every object that does not exist.
        403 if !exists => Finding::warn(format!(
            "{host} responds 403 for an object that does not exist: if the credentials may list the bucket, \
             they may not read, or the clock is wrong; otherwise download an export to check it"
        )),
        status => Finding::fail(format!(
            "{host} responds {status} instead of {}: {fix}, the credentials, or the clock",
            if exists { "the file" } else { "404" },
        )),
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

async fn request(store: &Store, link: &Url) -> std::result::Result<Fetched, reqwest::Error> {
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

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Whether this process reaches the store at an address that is not loopback, as in a container.
fn store_is_elsewhere() -> bool {
    let value = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = S3_ENDPOINTS.iter().find_map(value);
    let endpoint = endpoint.and_then(|value| value.trim().parse::<Url>().ok());
    endpoint.is_some_and(|url| !is_loopback(&url))
}

/// The link is for clients on another machine than this one, such as the host of this container.
fn only_there(link: &Url, reason: &str) -> Finding {
    let host = link.host_str().unwrap_or_default();
    let port = link.port_or_known_default().unwrap_or_default();
    let scheme = link.scheme();
    Finding::warn(format!(
        "not checked: {host} is a loopback address, which only clients on the machine with port {port} can use, \
         and from here it is not reachable ({reason}). To check it, run on that machine: curl -sS -o /dev/null \
         -w '%{{http_code}}\\n' {scheme}://{host}:{port}/ (any status shows that the store answers), or download an \
         export. Consumers on other machines need another EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT"
    ))
}
