//! Download links that are presigned URLs of a bucket.

use std::time::Duration;

use exports_tests::s3::{Kind, policy};
use exports_tests::{Fixture, StoreKind, eventually};
use url::Url;

use crate::download::{assert_is_the_file_of, fetch};
use crate::shared::{Consumer, id_of, story};

#[test]
fn a_bucket_link_expires_and_is_valid_for_one_object_only() {
    story(async |fixtures| {
        for &store in StoreKind::buckets() {
            let consumer = fixtures.consumer_on(store).await;
            let (one, other) = (consumer.completed().await, consumer.completed().await);
            let (link, foreign) = (
                consumer.link(&id_of(&one)).await,
                consumer.link(&id_of(&other)).await,
            );
            let mut forged = link.clone();
            forged.set_path(foreign.path());
            assert_refused(&forged, "another object").await;
            for (name, value) in [
                ("X-Amz-Expires", "86400"),
                ("X-Amz-Date", "20990101T000000Z"),
                ("X-Amz-Signature", &"0".repeat(64)),
            ] {
                let forged = with_parameter(&link, name, value);
                assert_refused(&forged, name).await;
            }
            let sql = format!(
                "UPDATE exports SET expires_at = clock_timestamp() + interval '3 seconds' WHERE id = '{}'",
                id_of(&one)
            );
            consumer.fixture.database().execute(sql).await;
            let short = consumer.link(&id_of(&one)).await;
            let _ = fetch(&short, &[]).await.expect(200);
            eventually("the link expires", Duration::from_secs(20), async || {
                (fetch(&short, &[]).await.status != 200).then_some(())
            })
            .await;
        }
    });
}

/// Fails unless the store rejects the link. Amazon S3 returns 403 in all cases, Garage returns 400 for a wrong date.
async fn assert_refused(link: &Url, what: &str) {
    let reply = fetch(link, &[]).await;
    assert!(
        matches!(reply.status, 400 | 403),
        "{what}: {}",
        reply.status
    );
    assert!(reply.text().contains("<Error>"), "{what}: {}", reply.text());
}

fn with_parameter(link: &Url, name: &str, value: &str) -> Url {
    let mut changed = link.clone();
    let pairs: Vec<_> = link.query_pairs().into_owned().collect();
    changed
        .query_pairs_mut()
        .clear()
        .extend_pairs(pairs.into_iter().map(|(known, old)| {
            let new = if known == name { value.to_owned() } else { old };
            (known, new)
        }));
    changed
}

#[test]
fn a_bucket_link_uses_the_public_endpoint() {
    story(async |_| {
        for &store in StoreKind::buckets() {
            let builder = Fixture::builder().store(store).public_endpoint();
            let fixture = builder.start().await;
            let consumer = Consumer::owner_of(&fixture);
            let export = consumer.completed().await;
            let link = consumer.link(&id_of(&export)).await;
            let public: Url = fixture.s3().public_endpoint().parse().unwrap();
            assert_eq!(link.host_str(), Some("localhost"));
            assert_eq!((link.host(), link.port()), (public.host(), public.port()));
            assert_is_the_file_of(&export, &fetch(&link, &[]).await);
            let mut inner = link.clone();
            inner.set_host(Some("127.0.0.1")).unwrap();
            assert_eq!(
                fetch(&inner, &[]).await.status,
                403,
                "the signature covers the host name"
            );
        }
    });
}

#[test]
fn the_api_makes_exactly_the_store_calls_that_its_policy_allows() {
    const KINDS: [Kind; 9] = [
        Kind::Put,
        Kind::CreateUpload,
        Kind::PutPart,
        Kind::CompleteUpload,
        Kind::AbortUpload,
        Kind::Head,
        Kind::Get,
        Kind::Delete,
        Kind::List,
    ];
    let counts = |fixture: &Fixture| KINDS.map(|kind| fixture.s3().count(kind));
    story(async |_| {
        // The start of the API, without a worker.
        let builder = Fixture::builder().store(StoreKind::S3).workers(0);
        let mut fixture = builder.start().await;
        let at_start = counts(&fixture);

        let worker = fixture.add_worker(&[]);
        let export = Consumer::owner_of(&fixture).completed().await;
        fixture.worker_process(worker).terminate();
        fixture.worker_process(worker).wait().await;

        let before = counts(&fixture);
        let id = id_of(&export);
        assert_is_the_file_of(&export, &fixture.download(&id).await);
        let path = format!("/v1/exports/{id}");
        assert_eq!(fixture.api().delete(&path).await.status, 204);
        let after = counts(&fixture);

        let used = KINDS
            .into_iter()
            .enumerate()
            .filter(|(at, _)| at_start[*at] > 0 || after[*at] > before[*at])
            .map(|(_, kind)| policy::action(kind).to_owned());
        let used: std::collections::BTreeSet<_> = used.collect();
        assert_eq!(used, policy::allowed("policy-api.json"));
    });
}
