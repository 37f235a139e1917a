//! `POST /v1/exports`.

use exports_tests::{Endpoint, Message, uuid};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, fields, id_of, path, request, request_with, story};

#[test]
fn create_returns_the_pending_export_and_its_location() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let before = consumer.fixture.database().now().await;
        let reply = consumer.api.post("/v1/exports", &request()).await;
        let reply = reply.expect(201);
        let export = reply.data();
        assert_eq!(
            fields(&export),
            [
                "attempt",
                "created_at",
                "direction",
                "filter_end_time",
                "filter_start_time",
                "id",
                "project_id",
                "status"
            ]
        );
        assert_eq!(export["status"], "pending");
        assert_eq!(export["direction"], "outbound", "the default");
        assert_eq!(export["project_id"], *consumer.project);
        assert_eq!(export["filter_start_time"], "2025-12-01T00:00:00Z");
        assert_eq!(export["filter_end_time"], "2025-12-06T23:59:59Z");
        let id: Uuid = id_of(&export).parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        let created: chrono::DateTime<chrono::Utc> =
            export["created_at"].as_str().unwrap().parse().unwrap();
        assert!((before..=consumer.fixture.database().now().await).contains(&created));

        assert_eq!(reply.header("idempotency-replayed"), None);
        let location = reply.header("location").unwrap();
        assert_eq!(
            location,
            format!("{}/v1/exports/{id}", consumer.api.base()),
            "the public URL and the export's path"
        );
        let found = consumer.api.get(location).await.expect(200).data();
        assert_eq!(found["id"], export["id"]);
    });
}

#[test]
fn filters_are_returned_as_given_and_endpoint_ids_as_uuids() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let (outbound, inbound) = endpoints_of(&consumer).await;
        let wire_id = format!("ep_{}", outbound.simple());
        let export = consumer
            .create(&request_with(json!({
                "direction": "outbound", "status": "failed_permanent", "endpoint_id": wire_id
            })))
            .await;
        assert_eq!(export["filter_status"], "failed_permanent");
        assert_eq!(export["filter_endpoint_id"], outbound.to_string());
        assert_eq!(export.get("filter_inbound_endpoint_id"), None);

        let export = consumer
            .create(&request_with(json!({
                "direction": "inbound", "inbound_endpoint_id": inbound.to_string()
            })))
            .await;
        assert_eq!(export["direction"], "inbound");
        assert_eq!(export["filter_inbound_endpoint_id"], inbound.to_string());
        assert_eq!(export.get("filter_endpoint_id"), None);
        assert_eq!(export.get("filter_status"), None);
    });
}

#[test]
fn lists_are_returned_in_their_own_fields_and_select_their_messages() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let (outbound, inbound) = endpoints_of(&consumer).await;
        let message = |status, endpoint| {
            Message::outbound(&consumer.project)
                .status(status)
                .endpoint(endpoint)
        };
        let messages = [
            message("queued", outbound),
            message("succeeded", outbound),
            message("failed_permanent", outbound),
            message("queued", Uuid::now_v7()),
        ];
        consumer.fixture.insert_messages(&messages).await;
        let export = consumer
            .create(&request_with(json!({
                "statuses": ["failed_permanent", "queued"],
                "endpoint_ids": [format!("ep_{}", outbound.simple())],
            })))
            .await;
        assert_eq!(
            export["filter_statuses"],
            json!(["queued", "failed_permanent"]),
            "sorted"
        );
        assert_eq!(export["filter_endpoint_ids"], json!([outbound]));
        for absent in [
            "filter_status",
            "filter_endpoint_id",
            "filter_inbound_endpoint_id",
            "filter_inbound_endpoint_ids",
        ] {
            assert_eq!(export.get(absent), None, "{absent}");
        }
        let done = consumer.until(&id_of(&export), "completed").await;
        assert_eq!(done["row_count"], 2);
        assert_eq!(done["filter_statuses"], export["filter_statuses"]);

        let export = consumer
            .create(&request_with(json!({
                "direction": "inbound", "inbound_endpoint_ids": [inbound.to_string()]
            })))
            .await;
        assert_eq!(export["filter_inbound_endpoint_ids"], json!([inbound]));
        assert_eq!(export.get("filter_endpoint_ids"), None);
    });
}

#[test]
fn every_endpoint_of_a_list_must_exist() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let (outbound, _) = endpoints_of(&consumer).await;
        let ids = [outbound, Uuid::now_v7()].map(|id| format!("ep_{}", id.simple()));
        let request = request_with(json!({ "endpoint_ids": ids }));
        let reply = consumer.api.post("/v1/exports", &request).await;
        assert_refused(&reply, 400, "ENDPOINT_NOT_FOUND", &["endpoint not found"]);
    });
}

#[test]
fn lists_with_the_same_values_are_the_same_request() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let keyed = async |filter: Value| {
            let request = request_with(filter);
            consumer.api.post_keyed("lists", &request).await
        };
        let first = keyed(json!({"statuses": ["queued", "succeeded"]})).await;
        let first = first.expect(201).data();
        let again = keyed(json!({"statuses": ["succeeded", "queued"]})).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.expect(201).data()["id"], first["id"]);
        let other = keyed(json!({"statuses": ["queued"]})).await;
        assert_refused(&other, 409, "IDEMPOTENCY_MISMATCH", &[]);
        // The export would show its filter in another field.
        let single = keyed(json!({"status": "queued"})).await;
        assert_refused(&single, 409, "IDEMPOTENCY_MISMATCH", &[]);
    });
}

#[test]
fn every_message_status_can_be_a_filter() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for status in [
            "queued",
            "delivering",
            "succeeded",
            "pending_retry",
            "failed_permanent",
        ] {
            let export = consumer
                .create(&request_with(json!({ "status": status })))
                .await;
            assert_eq!(export["filter_status"], status);
        }
    });
}

#[test]
fn an_endpoint_of_another_direction_or_project_is_not_found() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let stranger = fixtures.consumer().await;
        let (outbound, inbound) = endpoints_of(&consumer).await;
        let asks = async |request: Value| consumer.api.post("/v1/exports", &request).await;
        let as_outbound =
            |id: Uuid| request_with(json!({"endpoint_id": format!("ep_{}", id.simple())}));
        let as_inbound = |id: Uuid| {
            request_with(json!({"direction": "inbound", "inbound_endpoint_id": id.to_string()}))
        };

        for nowhere in [
            as_outbound(inbound),
            as_inbound(outbound),
            as_outbound(Uuid::now_v7()),
            as_inbound(Uuid::nil()),
        ] {
            assert_refused(
                &asks(nowhere).await,
                400,
                "ENDPOINT_NOT_FOUND",
                &["endpoint not found"],
            );
        }
        let reply = stranger
            .api
            .post("/v1/exports", &as_outbound(outbound))
            .await;
        assert_refused(&reply, 400, "ENDPOINT_NOT_FOUND", &["endpoint not found"]);
        let _ = asks(as_outbound(outbound)).await.expect(201);
        let _ = asks(as_inbound(inbound)).await.expect(201);
    });
}

#[test]
fn a_null_field_counts_as_absent() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer
            .create(&request_with(json!({
                "direction": null, "status": null, "endpoint_id": null, "inbound_endpoint_id": null
            })))
            .await;
        assert_eq!(export["direction"], "outbound");
        assert_eq!(export.get("filter_status"), None);

        let refused = request_with(json!({ "start_time": null }));
        let reply = consumer.api.post("/v1/exports", &refused).await;
        assert_refused(&reply, 400, "INVALID_REQUEST", &["start_time is required"]);
    });
}

#[test]
fn the_hex_digits_of_an_endpoint_id_are_case_insensitive() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let (outbound, _) = endpoints_of(&consumer).await;
        let wire_id = format!("ep_{}", outbound.simple().to_string().to_uppercase());
        let export = consumer
            .create(&request_with(json!({ "endpoint_id": wire_id })))
            .await;
        assert_eq!(export["filter_endpoint_id"], outbound.to_string());
    });
}

#[test]
fn the_content_type_of_a_create_is_ignored() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let body = request().to_string();
        for kind in [
            None,
            Some("text/plain"),
            Some("application/xml; charset=latin1"),
            Some("multipart/form-data"),
            Some("no type at all"),
        ] {
            let reply = consumer
                .api
                .send(Method::POST, "/v1/exports", |request| {
                    let request = request.body(body.clone());
                    match kind {
                        Some(kind) => request.header("Content-Type", kind),
                        None => request,
                    }
                })
                .await;
            assert_eq!(reply.status, 201, "{kind:?}");
        }
    });
}

#[test]
fn a_body_of_64_kib_is_accepted_and_a_larger_one_is_413() {
    const LIMIT: usize = 64 * 1024;
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let padded = |length: usize| {
            let body = request().to_string();
            let rest = " ".repeat(length - body.len());
            body + &rest
        };
        let send = |body: reqwest::Body| {
            consumer
                .api
                .send(Method::POST, "/v1/exports", |request| request.body(body))
        };
        let chunked = |body: String| {
            let chunks = body.into_bytes();
            let chunks: Vec<_> = chunks.chunks(10_000).map(<[u8]>::to_vec).collect();
            let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
            reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
        };
        assert_eq!(padded(LIMIT).len(), LIMIT);
        let _ = send(padded(LIMIT).into()).await.expect(201);
        let _ = send(chunked(padded(LIMIT))).await.expect(201);
        for large in [
            padded(LIMIT + 1).into(),
            chunked(padded(LIMIT + 1)),
            padded(4 << 20).into(),
        ] {
            let reply = send(large).await;
            assert_refused(&reply, 413, "PAYLOAD_TOO_LARGE", &["65536"]);
        }
    });
}

#[test]
fn creates_without_an_idempotency_key_are_separate_exports() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let one = consumer.create(&request()).await;
        let other = consumer.create(&request()).await;
        assert_ne!(one["id"], other["id"]);
        for export in [one, other] {
            let _ = consumer.api.get(&path(&id_of(&export))).await.expect(200);
        }
    });
}

/// Inserts an outbound and an inbound endpoint of the consumer's project.
async fn endpoints_of(consumer: &Consumer<'_>) -> (Uuid, Uuid) {
    let (outbound, inbound) = (Uuid::now_v7(), Uuid::now_v7());
    let project = &consumer.project;
    assert_ne!(outbound, uuid(0));
    consumer
        .fixture
        .insert_endpoints(&[
            Endpoint::outbound(project, outbound, "https://example.com/hook"),
            Endpoint::inbound(project, inbound, "https://example.com/in"),
        ])
        .await;
    (outbound, inbound)
}
