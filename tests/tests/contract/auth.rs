//! API keys: nothing under `/v1` without a valid key, and no access to other projects.

use std::time::Duration;

use exports_domain::ExportStatus;
use exports_tests::{TIMEOUT, eventually};
use reqwest::Method;

use crate::api::{Api, assert_refused};
use crate::shared::{id_of, path, request, story};

const MESSAGE: &str = "Invalid or missing API key";

async fn with_authorization(api: &Api, values: &[&[u8]]) -> exports_tests::Reply {
    let add =
        |request: reqwest::RequestBuilder, value: &&[u8]| request.header("Authorization", *value);
    api.without_key()
        .send(Method::GET, "/v1/exports", |request| {
            values.iter().fold(request, add)
        })
        .await
}

#[test]
fn invalid_keys_all_get_the_same_401() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        let key = api.key().to_owned();
        let unknown = format!("Bearer {}", "exk_".to_owned() + &"0a".repeat(32));
        let good = format!("Bearer {key}");
        let cases: Vec<Vec<Vec<u8>>> = vec![
            vec![],
            vec![b"".into()],
            vec![b"Bearer".into()],
            vec![b"Bearer ".into()],
            vec![key.clone().into()],
            vec![format!("Bearer{key}").into()],
            vec![format!("Basic {key}").into()],
            vec![format!("Token {key}").into()],
            vec![format!("Bearer {key}x").into()],
            vec![format!("Bearer {}", &key[..key.len() - 1]).into()],
            vec![format!("Bearer {key} {key}").into()],
            vec![format!("Bearer {key},").into()],
            vec![format!("Bearer \"{key}\"").into()],
            vec![format!("Bearer {}", key.to_uppercase()).into()],
            vec![b"Bearer \xff\xfe".into()],
            vec![b"Bearer ' OR 1=1 --".into()],
            vec![format!("Bearer {}", "x".repeat(8000)).into()],
            vec![unknown.into()],
            vec![good.clone().into(), good.into()],
        ];
        for values in cases {
            let values: Vec<_> = values.iter().map(Vec::as_slice).collect();
            let reply = with_authorization(&api, &values).await;
            assert_refused(&reply, 401, "UNAUTHORIZED", &[]);
            assert_eq!(reply.error_message(), MESSAGE);
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    });
}

#[test]
fn the_bearer_scheme_is_case_insensitive() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            let value = format!("{scheme} {}", api.key());
            let reply = with_authorization(&api, &[value.as_bytes()]).await;
            assert_eq!(reply.status, 200, "{scheme}");
        }
    });
}

#[test]
fn the_key_is_checked_first_under_v1() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(ExportStatus::Completed)).await;
        let stranger = consumer.api.without_key();
        let export = path(&id);
        for (method, path) in [
            (Method::GET, "/v1"),
            (Method::GET, "/v1/"),
            (Method::GET, "/v1/nothing/here"),
            (Method::GET, "/v1//exports"),
            (Method::GET, "/v1/exports/"),
            (Method::GET, "/v1/exports"),
            (Method::POST, "/v1/exports"),
            (Method::PUT, "/v1/exports"),
            (Method::OPTIONS, "/v1/exports"),
            (Method::HEAD, "/v1/exports"),
            (Method::GET, "/v1/exports?limit=0&nonsense"),
            (Method::GET, "/v1/exports/no-uuid"),
            (Method::GET, "/v1/exports/%FF"),
            (Method::GET, &export),
            (Method::DELETE, &export),
            (Method::PATCH, &export),
            (Method::GET, &format!("{export}/download")),
            (Method::GET, &format!("{export}/download?redirect=x")),
            (Method::DELETE, &format!("{export}/download")),
        ] {
            let large = vec![b'x'; 100_000];
            let body = |request: reqwest::RequestBuilder| match method {
                Method::POST | Method::PUT | Method::PATCH => request.body(large),
                _ => request,
            };
            let reply = stranger.send(method.clone(), path, body).await;
            assert_eq!(reply.status, 401, "{method} {path}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            if method != Method::HEAD {
                assert_eq!(reply.error_message(), MESSAGE, "{method} {path}");
            }
        }
        assert_eq!(consumer.get(&id).await["status"], "completed");
    });
}

#[test]
fn a_revoked_key_is_rejected_within_five_seconds() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let _ = consumer.api.get("/v1/exports").await.expect(200);
        let revoked = consumer
            .fixture
            .storage()
            .revoke_keys(consumer.api.key())
            .await;
        assert_eq!(revoked.unwrap().len(), 1);
        let limit = Duration::from_secs(5);
        let reply = eventually("the key is rejected", limit, async || {
            let reply = consumer.api.get("/v1/exports").await;
            (reply.status != 200).then_some(reply)
        })
        .await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[MESSAGE]);
    });
}

#[test]
fn a_refused_key_that_becomes_valid_works_within_five_seconds() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let database = consumer.fixture.database();
        let hide = |revoked: &str| {
            format!(
                "UPDATE api_keys SET revoked_at = {revoked} WHERE project_id = '{}'",
                consumer.project
            )
        };
        database.execute(&hide("clock_timestamp()")).await;
        let reply = consumer.api.get("/v1/exports").await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[MESSAGE]);
        database.execute(&hide("NULL")).await;
        let limit = Duration::from_secs(5);
        eventually("the key works", limit, async || {
            let reply = consumer.api.get("/v1/exports").await;
            (reply.status == 200).then_some(())
        })
        .await;
    });
}

#[test]
fn all_keys_of_a_project_have_the_same_access() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = id_of(&consumer.create(&request()).await);
        let project = consumer.project.parse().unwrap();
        let second = consumer.fixture.storage().create_key(&project, None).await;
        let second = second.unwrap().unwrap().secret;
        let value = format!("Bearer {second}");
        let reply = with_authorization(&consumer.api, &[value.as_bytes()]).await;
        assert_eq!(id_of(&reply.expect(200).data()[0]), id);
    });
}

#[test]
fn a_key_outside_the_authorization_header_is_ignored() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        let stranger = api.without_key();
        let key = api.key();
        let reply = stranger
            .get(&format!("/v1/exports?access_token={key}"))
            .await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[MESSAGE]);
        for (name, value) in [
            ("Cookie", format!("key={key}")),
            ("X-Api-Key", key.to_owned()),
        ] {
            let reply = stranger
                .send(Method::GET, "/v1/exports", |request| {
                    request.header(name, value)
                })
                .await;
            assert_refused(&reply, 401, "UNAUTHORIZED", &[MESSAGE]);
        }
    });
}

#[test]
fn public_routes_need_no_key_and_ignore_an_invalid_one() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api.without_key();
        for path in ["/healthz", "/readyz", "/openapi.json"] {
            assert_eq!(api.get(path).await.status, 200, "{path}");
            let bad = |request: reqwest::RequestBuilder| request.header("Authorization", "junk");
            assert_eq!(api.send(Method::GET, path, bad).await.status, 200, "{path}");
        }
    });
}

#[test]
fn use_of_a_key_sets_last_used_at() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let _ = consumer.api.get("/v1/exports").await.expect(200);
        let sql = format!(
            "SELECT last_used_at FROM api_keys WHERE project_id = '{}'",
            consumer.project
        );
        eventually("last_used_at is set", TIMEOUT, async || {
            consumer
                .fixture
                .database()
                .value(&sql)
                .await
                .is_string()
                .then_some(())
        })
        .await;
    });
}
