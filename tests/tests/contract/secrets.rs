//! Logs contain no secrets.

use exports_tests::{Client, Fixture, Process, StoreKind};
use reqwest::Method;

use crate::api::{Api, assert_refused};
use crate::shared::{Consumer, SIGNING_KEY, id_of, path, request, story};

/// Sends valid and invalid requests, and returns the secrets in them.
async fn send_requests_with_secrets(consumer: &Consumer<'_>) -> Vec<String> {
    let export = consumer.completed().await;
    let link = consumer.link(&id_of(&export)).await;
    let client = Client::new("");
    for address in [
        link.as_str(),
        &format!("{link}0"),
        &link.as_str().replace("expires=", "expires=1"),
    ] {
        client.send(client.request(Method::GET, address)).await;
    }
    let wrong = format!("exk_{}", "0b".repeat(32));
    let malformed = "not-a-key-but-somebody-s-password";
    for bad in [&wrong, malformed] {
        let authorize = |request: reqwest::RequestBuilder| request.bearer_auth(bad);
        let reply = consumer.api.without_key();
        let reply = reply.send(Method::GET, "/v1/exports", authorize).await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[]);
    }
    let in_query = format!("/v1/exports?key={}", consumer.api.key());
    assert_eq!(consumer.api.get(&in_query).await.status, 400);
    assert_eq!(
        consumer.api.delete(&path(&id_of(&export))).await.status,
        204
    );
    let signature = link
        .query_pairs()
        .find(|(name, _)| name.to_lowercase().ends_with("signature"));
    let (_, signature) = signature.expect("a signed link");
    vec![
        wrong,
        malformed.to_owned(),
        consumer.api.key().to_owned(),
        signature.into_owned(),
    ]
}

fn assert_no_secrets(log: &str, secrets: &[String]) {
    assert!(
        log.lines().count() > 5,
        "the log has enough lines to check: {log}"
    );
    for secret in secrets {
        assert!(secret.len() >= 10, "{secret} is too short for a secret");
        // Not even a part of a secret may be logged. Logs may show the first 12 characters of a key, so this is the end.
        let part = &secret[secret.len() - 10..];
        for line in log.lines() {
            assert!(!line.contains(part), "a secret is in the log: {line}");
        }
    }
}

#[test]
fn logs_contain_no_key_password_or_signature() {
    story(async |_| {
        for &store in StoreKind::all() {
            let builder = Fixture::builder().store(store).database_proxy();
            let fixture = builder
                .env("RUST_LOG", "debug")
                .api_env("EXPORTS_SIGNING_KEY", SIGNING_KEY)
                .start()
                .await;
            let consumer = Consumer::owner_of(&fixture);
            let mut secrets = send_requests_with_secrets(&consumer).await;
            // Error messages are a common source of leaks.
            fixture.database_proxy().make_unavailable();
            assert_eq!(consumer.api.get("/v1/exports").await.status, 503);
            fixture.database_proxy().restore();
            secrets.push(SIGNING_KEY.to_owned());
            secrets.extend(password_of(fixture.database().url()));
            if store != StoreKind::File {
                secrets.push(fixture.s3().secret_key().to_owned());
            }
            assert_no_secrets(&fixture.logs(), &secrets);
        }
    });
}

#[test]
fn text_logs_and_startup_errors_contain_no_secrets() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let mut url: url::Url = fixture.database().url().parse().unwrap();
        let environment = |url: &url::Url, name: &str| {
            vec![
                ("DATABASE_URL".to_owned(), url.to_string()),
                (
                    "EXPORTS_OBJECT_STORE_URL".to_owned(),
                    format!("file:///tmp/{name}"),
                ),
                ("EXPORTS_SIGNING_KEY".to_owned(), SIGNING_KEY.to_owned()),
                ("EXPORTS_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ]
        };
        let folder = tempfile::TempDir::new().unwrap();
        let name = folder
            .path()
            .strip_prefix("/tmp")
            .unwrap()
            .to_str()
            .unwrap();
        let mut secrets = vec![SIGNING_KEY.to_owned(), fixture.key().to_owned()];
        secrets.extend(password_of(url.as_str()));

        let mut api = Process::start("exports-api", &[], environment(&url, name));
        let line = api.wait_for_line("listening").await;
        let (_, address) = line.split_once("http://").expect("the address");
        let client = Client::new(&format!("http://{}", address.trim_end_matches('"')));
        let there = Api::new(client.with_key(fixture.key()));
        let _ = there.post("/v1/exports", &request()).await.expect(201);
        let reply = there.without_key().get("/v1/exports").await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[]);
        api.terminate();
        assert_eq!(api.wait().await.code(), Some(0));
        assert!(!api.log().contains("{\""), "the log is text");
        for secret in &secrets {
            assert!(!api.log().contains(secret), "{}", api.log());
        }

        url.set_path("/there-is-no-such-database");
        url.set_password(Some("a-password-of-somebody")).unwrap();
        for program in ["exports-api", "exports-worker"] {
            let mut process = Process::start(program, &[], environment(&url, name));
            assert!(!process.wait().await.success());
            let log = process.log();
            assert!(log.contains("DATABASE_URL"), "{log}");
            assert!(
                !log.contains("a-password-of-somebody") && !log.contains(SIGNING_KEY),
                "{log}"
            );
        }
    });
}

fn password_of(url: &str) -> Option<String> {
    let url: url::Url = url.parse().unwrap();
    let password = url.password().map(str::to_owned);
    password.filter(|it| it.len() >= 10)
}
