//! What a worker's policy for the bucket has to allow, and what it must not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use exports_tests::StoreKind;
use exports_tests::s3::{Fault, Kind, policy};

use crate::rows::put_large;
use crate::workshop::Workshop;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_makes_the_calls_that_its_policy_allows_and_no_other() {
    let shop = Workshop::open(StoreKind::S3).await;
    let expected = put_large(&shop.database, 120).await;
    let allowed = policy::allowed("policy-worker.json");
    let used = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&used);
    let refused = shop.s3().inject(
        move |seen| {
            let action = policy::action(seen.kind).to_owned();
            let refused = !allowed.contains(&action);
            noted.lock().expect("the actions").insert(action);
            refused
        },
        Fault::Answer(403),
    );

    // Starts, fails to complete an upload, looks it up, aborts it; succeeds; deletes the file.
    let incomplete = shop
        .s3()
        .inject(|seen| seen.kind == Kind::CompleteUpload, Fault::Answer(403));
    let _workers = shop.janitors(&[("EXPORTS_FILE_TTL", "1h")]).await;
    let id = shop.ask_for_all().await;
    incomplete.reached(1).await;
    drop(incomplete);
    assert!(shop.file(id).await == expected);
    let expire = "UPDATE exports SET expires_at = clock_timestamp()";
    shop.database.execute(expire).await;
    shop.column_is(id, "status", "expired").await;
    shop.holds_nothing().await;

    assert_eq!(refused.hits(), 0);
    let used = used.lock().expect("the actions").clone();
    assert_eq!(used, policy::allowed("policy-worker.json"));
}
