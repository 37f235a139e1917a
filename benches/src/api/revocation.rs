//! The time from the revocation of a key in use until the API refuses it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::LoadTest;
use crate::http::Connection;
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

/// The target, in seconds.
const LONGEST: f64 = 5.0;
const TIMEOUT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const KEYS: usize = 3;

pub(super) async fn run(test: &LoadTest<'_>, table: &mut Table) -> Result<()> {
    let mut times = Samples::default();
    for _ in 0..KEYS {
        let key = test
            .fixture
            .exportctl_admin(
                test.database,
                &["key", "create", "--project", super::PROJECT],
            )
            .await?;
        times.add_time(until_refused(test, &key).await?);
    }
    let longest = times.percentile(100);
    let row = Row::new(
        7,
        "time from a key's revocation until it is refused, s",
        format!("{longest:.2} s, maximum of {KEYS}"),
    );
    table.add(row.held_to(longest, Limit::AtMost(LONGEST)));
    Ok(())
}

async fn until_refused(test: &LoadTest<'_>, key: &str) -> Result<Duration> {
    let mut connection = Connection::open(test.address).await?;
    let request = format!(
        "GET /v1/exports?limit=1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\r\n",
        test.address
    );
    let request = request.as_bytes();
    let status = connection.ask(request).await?.status;
    ensure!(status == 200, "{status} for a good key");
    let revoked = test.database.storage().revoke_keys(key).await?;
    ensure!(revoked.len() == 1, "{} keys were revoked", revoked.len());
    let begun = Instant::now();
    loop {
        match connection.ask(request).await?.status {
            401 => return Ok(begun.elapsed()),
            200 if begun.elapsed() < TIMEOUT => tokio::time::sleep(LOOK_EVERY).await,
            status => bail!("{status} {:?} after the revocation", begun.elapsed()),
        }
    }
}
