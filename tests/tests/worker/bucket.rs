//! The permissions that a worker's bucket policy must and must not contain.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use exports_tests::StoreKind;
use exports_tests::s3::{Fault, Kind, policy};

use crate::rows::put_large;
use crate::support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_makes_exactly_the_store_calls_that_its_policy_allows() {
    let fixture = Fixture::without_services(StoreKind::S3).await;
    let expected = put_large(fixture.database(), 120).await;
    let allowed = policy::allowed("policy-worker.json");
    let used = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&used);
    let refused = fixture.s3().inject(
        move |seen| {
            let action = policy::action(seen.kind).to_owned();
            let refused = !allowed.contains(&action);
            noted.lock().expect("the actions").insert(action);
            refused
        },
        Fault::Answer(403),
    );

    // The worker starts, fails to complete an upload, looks it up, aborts it, succeeds, and deletes the file.
    let incomplete = fixture
        .s3()
        .inject(|seen| seen.kind == Kind::CompleteUpload, Fault::Answer(403));
    let _workers = fixture.janitors(&[("EXPORTS_FILE_TTL", "1h")]).await;
    let id = fixture.queue_full_export().await;
    incomplete.reached(1).await;
    drop(incomplete);
    assert!(fixture.read_file(id).await == expected);
    let expire = "UPDATE exports SET expires_at = clock_timestamp()";
    fixture.database().execute(expire).await;
    fixture.wait_for_column(id, "status", "expired").await;
    fixture.wait_for_empty_store().await;

    assert_eq!(refused.hits(), 0);
    let used = used.lock().expect("the actions").clone();
    assert_eq!(used, policy::allowed("policy-worker.json"));
}
