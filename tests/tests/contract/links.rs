//! `GET /files/{id}`: the links of the file store.

use exports_domain::ExportStatus;
use exports_objects::LinkSigner;
use exports_tests::{Fixture, StoreKind};
use reqwest::Method;
use url::Url;
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, SIGNING_KEY, id_of, path, story};

/// A link as the API signs it, with any expiry.
async fn signed(consumer: &Consumer<'_>, id: &str, expires: i64) -> String {
    let key = consumer.fixture.object_key(id).await;
    let signature = LinkSigner::new(SIGNING_KEY.as_bytes()).sign(id, &key, expires);
    format!("/files/{id}?expires={expires}&signature={signature}")
}

#[test]
fn links_use_the_public_url_and_have_only_an_expiry_and_a_signature() {
    story(async |_| {
        let public = "https://exports.example.com/api/";
        let builder = Fixture::builder().workers(0);
        let fixture = builder.api_env("EXPORTS_PUBLIC_URL", public).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let id = consumer.put(consumer.row(ExportStatus::Completed)).await;
        let send = |request: reqwest::RequestBuilder| {
            request
                .header("Host", "evil.example.com")
                .header("X-Forwarded-Host", "evil.example.com")
        };
        let download = format!("{}/download", path(&id));
        let reply = consumer.api.send(Method::GET, &download, send).await;
        let link = reply.header("location").unwrap();
        assert!(
            link.starts_with(&format!("{public}files/{id}?expires=")),
            "{link}"
        );
        let link: Url = link.parse().unwrap();
        let names: Vec<_> = link
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        assert_eq!(names, ["expires", "signature"]);

        let reply = consumer
            .api
            .post("/v1/exports", &crate::shared::request())
            .await;
        let location = reply.expect(201);
        let location = location.header("location").unwrap();
        assert!(
            location.starts_with(&format!("{public}v1/exports/")),
            "{location}"
        );
    });
}

#[test]
fn an_authorization_header_is_ignored() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let link = consumer.link(&id_of(&export)).await;
        let expected = consumer.follow(&link).await.expect(200).body;
        for value in ["Bearer exk_nonsense", "Basic YTpi", "x", ""] {
            let api = consumer.api.without_key();
            let send = |request: reqwest::RequestBuilder| request.header("Authorization", value);
            let reply = api.send(Method::GET, link.as_str(), send).await.expect(200);
            assert_eq!(reply.body, expected, "{value}");
        }
        // A client that keeps the key on redirects.
        let reply = consumer.api.get(link.as_str()).await.expect(200);
        assert_eq!(reply.body, expected);
    });
}

#[test]
fn head_has_the_headers_of_get() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let link = consumer.link(&id_of(&export)).await;
        let api = consumer.api.without_key();
        let (head, get) = (api.head(link.as_str()).await, api.get(link.as_str()).await);
        assert_eq!((head.status, get.status), (200, 200));
        assert!(head.body.is_empty() && !get.body.is_empty());
        for name in [
            "content-type",
            "content-disposition",
            "content-length",
            "accept-ranges",
            "etag",
            "last-modified",
        ] {
            assert!(head.header(name).is_some(), "{name}");
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        let size = export["file_size_bytes"].to_string();
        assert_eq!(head.header("content-length"), Some(&*size));
        assert_eq!(head.header("accept-ranges"), Some("bytes"));
    });
}

#[test]
fn a_link_with_any_change_is_rejected() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let (one, other) = (consumer.completed().await, consumer.completed().await);
        let link = consumer.link(&id_of(&one)).await;
        let query = link.query().unwrap();
        let (expires, signature) = query.split_once('&').unwrap();
        let later = expires[8..].parse::<i64>().unwrap() + 1;
        let digits = signature.strip_prefix("signature=").unwrap();
        let (first, last) = (flip(digits, 0), flip(digits, digits.len() - 1));
        let id = id_of(&one);
        for changed in [
            format!("/files/{}?{query}", id_of(&other)),
            format!("/files/{id}?expires={later}&{signature}"),
            format!("/files/{id}?expires=0{}&{signature}", &expires[8..]),
            format!("/files/{id}?expires=9999999999999&{signature}"),
            format!("/files/{id}?expires=-1&{signature}"),
            format!("/files/{id}?expires=&{signature}"),
            format!("/files/{id}?expires=x&{signature}"),
            format!("/files/{id}?{expires}&signature={first}"),
            format!("/files/{id}?{expires}&signature={last}"),
            format!("/files/{id}?{expires}&signature={}", digits.to_uppercase()),
            format!("/files/{id}?{expires}&signature={}", &digits[..78]),
            format!("/files/{id}?{expires}&signature={digits}00"),
            format!("/files/{id}?{expires}&signature="),
            format!("/files/{id}?{expires}&signature=%FF%00"),
            format!("/files/{id}?{expires}"),
            format!("/files/{id}?{signature}"),
            format!("/files/{id}?{query}&{signature}"),
            format!("/files/{id}?{query}&download=1"),
            format!("/files/{id}"),
        ] {
            let reply = consumer.api.without_key().get(&changed).await;
            assert_refused(&reply, 403, "INVALID_SIGNATURE", &["link"]);
        }
        let _ = consumer.follow(&link).await.expect(200);
    });
}

/// The same text with one hex digit changed.
fn flip(digits: &str, at: usize) -> String {
    let other = if &digits[at..=at] == "0" { "1" } else { "0" };
    format!("{}{other}{}", &digits[..at], &digits[at + 1..])
}

#[test]
fn a_signature_is_valid_until_its_expiry() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = id_of(&consumer.completed().await);
        let now = consumer.fixture.database().now().await.timestamp();
        let api = consumer.api.without_key();
        let _ = api
            .get(&signed(&consumer, &id, now + 60).await)
            .await
            .expect(200);
        for past in [now - 1, now - 86_400, 0] {
            let reply = api.get(&signed(&consumer, &id, past).await).await;
            assert_refused(&reply, 410, "EXPORT_EXPIRED", &["expired"]);
        }
    });
}

/// A link with an invalid signature does not show whether an export exists.
#[test]
fn an_invalid_signature_is_403_for_known_and_unknown_exports() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let api = consumer.api.without_key();
        let query = format!("expires=4102444800&signature={}", "0a".repeat(40));
        let mut ids = vec![Uuid::now_v7().to_string()];
        for &status in ExportStatus::ALL {
            ids.push(consumer.put(consumer.row(status)).await);
        }
        for id in ids {
            let reply = api.get(&format!("/files/{id}?{query}")).await;
            assert_refused(&reply, 403, "INVALID_SIGNATURE", &["link"]);
        }
        for nothing in ["x", "%00", "a%2Fb"] {
            let reply = api.get(&format!("/files/{nothing}?{query}")).await;
            assert_refused(&reply, 404, "NOT_FOUND", &["not found"]);
        }
    });
}

#[test]
fn valid_links_to_exports_without_a_file_are_404_or_410() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let api = consumer.api.without_key();
        let signer = LinkSigner::new(SIGNING_KEY.as_bytes());
        let link_to = |id: &str| {
            let signature = signer.sign(id, "proj_a/b/c.csv", 4_102_444_800);
            format!("/files/{id}?expires=4102444800&signature={signature}")
        };
        let deleted = api.get(&link_to(&Uuid::now_v7().to_string())).await;
        assert_refused(&deleted, 404, "NOT_FOUND", &["not found"]);
        for (status, code) in [
            (ExportStatus::Pending, 404),
            (ExportStatus::Processing, 404),
            (ExportStatus::Failed, 404),
            (ExportStatus::Expired, 410),
            // The link is for another object of the export.
            (ExportStatus::Completed, 403),
        ] {
            let id = consumer.put(consumer.row(status)).await;
            let reply = api.get(&link_to(&id)).await;
            assert_eq!(reply.status, code, "{status}");
        }
    });
}

#[test]
fn an_api_with_a_bucket_and_no_signing_key_serves_no_files() {
    story(async |_| {
        let builder = Fixture::builder()
            .store(StoreKind::S3)
            .without_signing_key();
        let fixture = builder.start().await;
        let consumer = Consumer::owner_of(&fixture);
        let id = id_of(&consumer.completed().await);
        let path = format!(
            "/files/{id}?expires=4102444800&signature={}",
            "0a".repeat(40)
        );
        let reply = consumer.api.without_key().get(&path).await;
        assert_refused(&reply, 404, "NOT_FOUND", &["not found"]);
    });
}
