//! Checks at the end of a test: the bucket contains only the files of completed exports, and no attempt is recorded without a
//! worker.

use exports_tests::{TIMEOUT, eventually};
use serde_json::{Value, json};

use crate::postgres::Postgres;
use crate::store::Store;

const WRITING: &str = "SELECT count(*) FROM export_objects WHERE state = 'writing'";
const KEPT: &str =
    "SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM export_objects WHERE state = 'kept'";
const COMPLETED: &str = "SELECT coalesce(jsonb_agg(object_key ORDER BY object_key), '[]') FROM exports WHERE status = 'completed'";

/// Waits until nothing is left over; janitors run about every five seconds.
pub(crate) async fn nothing_is_left_over(postgres: &Postgres, store: &Store) {
    let mut seen = Value::Null;
    let tidy = eventually("nothing is left over", TIMEOUT, async || {
        let files = postgres.value(COMPLETED).await;
        let records = json!({
            "writing": postgres.value(WRITING).await,
            "kept": postgres.value(KEPT).await,
        });
        let stored = store.contents().await;
        let expected = match store {
            Store::Garage(_) => json!({"objects": files.as_array().map(Vec::len), "uploads": 0}),
            Store::Faulty(_) => files.clone(),
        };
        let now = json!({"files": &files, "records": &records, "store": &stored});
        // Printed once per change, so that a failing test shows what is left.
        if now != seen {
            println!("left over? {now}");
            seen = now;
        }
        (records == json!({"writing": 0, "kept": files}) && stored == expected).then_some(())
    });
    tidy.await;
}
