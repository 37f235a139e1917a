//! Lists of a client with a valid key, alone and beside a flood of wrong keys.

use anyhow::Result;

use super::load::{self, Requests};
use super::{LoadTest, ROUNDS, shown};
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

/// The target: the p99 beside the flood divided by the p99 without it.
const MOST: f64 = 2.0;
/// Connections of the client with a valid key.
const CONNECTIONS: usize = 4;
/// Connections of the flood, each with another key in every request.
const FLOOD: usize = 200;

pub(super) async fn run(test: &LoadTest<'_>, table: &mut Table) -> Result<()> {
    let good = || load::run(test.address, CONNECTIONS, test.span, Valid::of(test));
    let flood = || load::run(test.address, FLOOD, test.span, Wrong::of(test));
    let (mut alone, mut beside) = (Samples::default(), Samples::default());
    let (mut refused, mut ratios) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let (_, without) = shown(&good().await?);
        let (during, flooded) = tokio::join!(good(), flood());
        let (_, with) = shown(&during?);
        alone.add(without);
        beside.add(with);
        refused.add(flooded?.per_second);
        ratios.add(with / without);
    }
    let row = Row::new(
        7,
        format!("p99 of lists beside wrong keys on {FLOOD} connections"),
        format!(
            "{:.2} ms; {:.0} requests with wrong keys per second",
            beside.median(),
            refused.median()
        ),
    );
    let without = format!("without the wrong keys: {:.2} ms", alone.median());
    table.add(row.against(without, ratios.median(), Limit::AtMost(MOST)));
    Ok(())
}

/// `GET /v1/exports?limit=1` with a valid key.
struct Valid(Vec<u8>);

impl Valid {
    fn of(test: &LoadTest<'_>) -> Self {
        Self(request(test, &test.key).into_bytes())
    }
}

impl Requests for Valid {
    fn write(&self, _: u64, request: &mut Vec<u8>) {
        request.clone_from(&self.0);
    }

    fn status(&self) -> u16 {
        200
    }

    fn body_holds(&self, _: u64) -> &[u8] {
        b"\"data\""
    }
}

/// The same request, each with another key that was never valid.
struct Wrong {
    /// Around the key.
    head: String,
    tail: String,
}

impl Wrong {
    fn of(test: &LoadTest<'_>) -> Self {
        let request = request(test, "KEY");
        let (head, tail) = request.split_once("KEY").expect("the key is in the text");
        Self {
            head: head.to_owned(),
            tail: tail.to_owned(),
        }
    }
}

impl Requests for Wrong {
    fn write(&self, _: u64, request: &mut Vec<u8>) {
        request.clear();
        let key = format!("exk_{:064x}", uuid::Uuid::new_v4().as_u128());
        for part in [&self.head, &key, &self.tail] {
            request.extend_from_slice(part.as_bytes());
        }
    }

    fn status(&self) -> u16 {
        401
    }

    fn body_holds(&self, _: u64) -> &[u8] {
        b"UNAUTHORIZED"
    }
}

fn request(test: &LoadTest<'_>, key: &str) -> String {
    format!(
        "GET /v1/exports?limit=1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\r\n",
        test.address
    )
}
