//! The options of the file: `format`, `compression`, `columns`, `timezone`, `csv`, `max_rows_per_file`.
//!
//! What they do to the bytes of a file is tested with the worker.

use exports_domain::ExportStatus::{Completed, Failed, Pending};
use exports_tests::{ExportRow, StoreKind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::assert_refused;
use crate::download::fetch;
use crate::shared::{id_of, path, request, request_with, story};

const OPTIONS: [&str; 6] = [
    "format",
    "compression",
    "columns",
    "timezone",
    "csv",
    "max_rows_per_file",
];
const REPLAYED: &str = "idempotency-replayed";

fn assert_shows(export: &Value, given: &Value) {
    for option in OPTIONS {
        assert_eq!(export.get(option), given.get(option), "{option} of {given}");
    }
}

/// The dialect of a CSV with these members changed.
fn csv_with(changes: Value) -> Value {
    let mut csv = json!({
        "delimiter": ",", "line_ending": "crlf", "header": true, "bom": false, "formula_guard": true,
    });
    let Value::Object(changes) = changes else {
        panic!("changes are an object")
    };
    csv.as_object_mut().unwrap().extend(changes);
    csv
}

/// A row that a request with these options has made.
fn with_options(row: ExportRow, given: &Value, extension: &str) -> ExportRow {
    row.with("file_options", given.clone())
        .with("file_extension", extension)
}

#[test]
fn an_export_shows_the_options_that_were_given_and_no_others() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for (given, shown) in [
            (json!({}), json!({})),
            (json!({"format": "csv"}), json!({"format": "csv"})),
            (json!({"format": "jsonl"}), json!({"format": "jsonl"})),
            (
                json!({"format": "parquet", "compression": "snappy"}),
                json!({"format": "parquet", "compression": "snappy"}),
            ),
            (
                json!({"compression": "none"}),
                json!({"compression": "none"}),
            ),
            (
                json!({"columns": ["status", "message_id"], "format": null}),
                json!({"columns": ["status", "message_id"]}),
            ),
            (
                json!({"direction": "inbound", "columns": ["received_at", "total_delivery_ms"]}),
                json!({"columns": ["received_at", "total_delivery_ms"]}),
            ),
            (
                json!({"timezone": "America/New_York"}),
                json!({"timezone": "America/New_York"}),
            ),
            (
                json!({"max_rows_per_file": 1_000_000_000}),
                json!({"max_rows_per_file": 1_000_000_000}),
            ),
            (json!({"csv": {}}), json!({"csv": csv_with(json!({}))})),
            (
                json!({"csv": {"delimiter": "\t", "bom": true, "header": null}, "compression": "zstd"}),
                json!({"csv": csv_with(json!({"delimiter": "\t", "bom": true})), "compression": "zstd"}),
            ),
        ] {
            let export = consumer.create(&request_with(given)).await;
            assert_shows(&export, &shown);
            let id = id_of(&export);
            assert_shows(&consumer.get(&id).await, &shown);
            let list = consumer.api.get("/v1/exports").await.expect(200).data();
            let listed = list.as_array().unwrap().iter().find(|it| id_of(it) == id);
            assert_shows(listed.unwrap(), &shown);
        }
    });
}

#[test]
fn options_are_shown_in_every_state_and_list() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let given = json!({"format": "parquet", "columns": ["message_id"]});
        for &status in exports_domain::ExportStatus::ALL {
            let row = with_options(consumer.row(status), &given, "parquet");
            let id = consumer.put_without_file(row).await;
            assert_shows(&consumer.get(&id).await, &given);
            let listed = format!("/v1/exports?status={status}");
            let listed = consumer.api.get(&listed).await.expect(200).data();
            assert_eq!(listed.as_array().unwrap().len(), 1);
            assert_shows(&listed[0], &given);
        }
    });
}

#[test]
fn a_fault_names_the_field_and_the_rule() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for (given, says) in [
            (
                json!({"format": "CSV"}),
                "format must be one of csv, jsonl, parquet",
            ),
            (json!({"format": 1}), "format must be a string"),
            (json!({"format": ""}), "format must not be empty"),
            (
                json!({"compression": "snappy"}),
                "compression must be none, gzip or zstd with format csv",
            ),
            (
                json!({"format": "jsonl", "compression": "snappy"}),
                "compression must be none, gzip or zstd with format jsonl",
            ),
            (
                json!({"format": "jsonl", "csv": {}}),
                "csv must be given with format csv only: the format is jsonl",
            ),
            (
                json!({"format": "parquet", "csv": {"header": true}}),
                "csv must be given with format csv only: the format is parquet",
            ),
            (json!({"columns": []}), "columns must have 1 to 11 values"),
            (
                json!({"columns": ["status", "status"]}),
                "columns[1] is repeated: each column must be given once",
            ),
            (
                json!({"columns": ["received_at"]}),
                "columns[0] must be a column of direction outbound, which does not have received_at",
            ),
            (
                json!({"direction": "inbound", "columns": ["created_at"]}),
                "columns[0] must be a column of direction inbound, which does not have created_at",
            ),
            (
                json!({"columns": ["payload"]}),
                "columns[0] must be one of message_id, endpoint_id, endpoint, ",
            ),
            (
                json!({"timezone": "Europe/Berlim"}),
                "timezone must be an IANA time zone name, such as UTC or Europe/Berlin: did you mean Europe/Berlin?",
            ),
            (json!({"timezone": ""}), "timezone must not be empty"),
            (json!({"csv": "excel"}), "csv must be an object"),
            (
                json!({"csv": {"delimiter": "::"}}),
                r#"csv.delimiter must be one of ",", ";", "\t", "|""#,
            ),
            (
                json!({"csv": {"line_ending": "\r\n"}}),
                "csv.line_ending must be one of crlf, lf",
            ),
            (json!({"csv": {"bom": 1}}), "csv.bom must be true or false"),
            (
                json!({"csv": {"quote": "'"}}),
                r#"unknown field "csv.quote": the known fields are csv.delimiter, "#,
            ),
            (
                json!({"max_rows_per_file": 999}),
                "max_rows_per_file must be 1000 to 1000000000",
            ),
            (
                json!({"max_rows_per_file": "1000"}),
                "max_rows_per_file must be a whole number",
            ),
        ] {
            let body = request_with(given);
            for route in ["/v1/exports", "/v1/exports/estimate"] {
                let reply = consumer.api.post(route, &body).await;
                assert_refused(&reply, 400, "INVALID_REQUEST", &[says]);
            }
        }
        let many = json!({
            "format": "xlsx", "columns": ["a"], "timezone": "x", "csv": {"header": 1, "bom": 2},
        });
        let reply = consumer.api.post("/v1/exports", &request_with(many)).await;
        let says = [
            "format must",
            "columns[0]",
            "timezone",
            "csv.header",
            "csv.bom",
        ];
        assert_refused(&reply, 400, "INVALID_REQUEST", &says);
        let twice = r#"{"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-02T00:00:00Z",
                        "csv": {"bom": true, "bom": false}}"#;
        let send = |request: reqwest::RequestBuilder| request.body(twice);
        let reply = consumer.api.send(Method::POST, "/v1/exports", send).await;
        assert_refused(
            &reply,
            400,
            "INVALID_REQUEST",
            &["csv.bom must be given once"],
        );
    });
}

#[test]
fn an_estimate_takes_the_options() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let body = request_with(json!({
            "format": "parquet", "compression": "snappy", "columns": ["status"], "timezone": "Asia/Tokyo",
        }));
        let reply = consumer.api.post("/v1/exports/estimate", &body).await;
        assert_eq!(reply.expect(200).data()["row_count"], 0);
    });
}

#[test]
fn a_retry_keeps_the_options() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let given = json!({
            "format": "csv", "compression": "gzip", "columns": ["status", "endpoint"],
            "timezone": "Europe/Berlin", "csv": csv_with(json!({"delimiter": ";"})),
        });
        let row = with_options(consumer.row(Failed), &given, "csv.gz");
        let old = consumer.put(row).await;
        let reply = consumer
            .api
            .post(&format!("{}/retry", path(&old)), &json!({}))
            .await;
        let new = reply.expect(201).data();
        assert_eq!(new["retry_of"], *old);
        assert_shows(&new, &given);
        assert_shows(&consumer.get(&id_of(&new)).await, &given);
    });
}

#[test]
fn a_key_compares_the_options_with_their_defaults_filled_in() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let all = json!([
            "message_id",
            "endpoint_id",
            "endpoint",
            "status",
            "attempt_count",
            "created_at",
            "delivered_at",
            "next_attempt_at",
            "response_status",
            "response_latency_ms",
            "last_error",
        ]);
        let plain = consumer.api.post_keyed("plain", &request()).await;
        let plain = id_of(&plain.expect(201).data());
        let defaults = json!({
            "format": "csv", "compression": "none", "columns": all, "timezone": "UTC", "csv": {},
        });
        for same in [json!({}), json!({"format": "csv"}), defaults] {
            let reply = consumer.api.post_keyed("plain", &request_with(same)).await;
            let reply = reply.expect(201);
            assert_eq!(reply.header(REPLAYED), Some("true"));
            let first = reply.data();
            assert_eq!(id_of(&first), plain);
            assert_shows(&first, &json!({}));
        }
        let given = json!({"format": "parquet", "columns": ["status", "endpoint"]});
        let request = request_with(given.clone());
        let chosen = consumer.api.post_keyed("chosen", &request);
        let chosen = id_of(&chosen.await.expect(201).data());
        for same in [
            given,
            json!({"format": "parquet", "compression": "zstd", "columns": ["status", "endpoint"]}),
        ] {
            let reply = consumer.api.post_keyed("chosen", &request_with(same)).await;
            assert_eq!(reply.header(REPLAYED), Some("true"));
            assert_eq!(id_of(&reply.expect(201).data()), chosen);
        }
        for (key, other) in [
            ("plain", json!({"format": "jsonl"})),
            ("plain", json!({"compression": "gzip"})),
            ("plain", json!({"columns": ["status"]})),
            ("plain", json!({"timezone": "Europe/Berlin"})),
            ("plain", json!({"csv": {"bom": true}})),
            ("chosen", json!({})),
            ("chosen", json!({"format": "parquet"})),
            (
                "chosen",
                json!({"format": "parquet", "columns": ["endpoint", "status"]}),
            ),
        ] {
            let reply = consumer.api.post_keyed(key, &request_with(other)).await;
            assert_refused(&reply, 409, "IDEMPOTENCY_MISMATCH", &["Idempotency-Key"]);
        }
    });
}

/// The row and the stored object are those of a worker that has written such a file.
#[test]
fn a_file_has_the_name_and_the_type_of_its_format_and_no_content_encoding() {
    story(async |fixtures| {
        let parquet = "application/vnd.apache.parquet";
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            for (given, extension, media_type) in [
                (json!({"timezone": "UTC"}), "csv", "text/csv; charset=utf-8"),
                (json!({"compression": "gzip"}), "csv.gz", "application/gzip"),
                (
                    json!({"compression": "zstd"}),
                    "csv.zst",
                    "application/zstd",
                ),
                (json!({"format": "jsonl"}), "jsonl", "application/x-ndjson"),
                (
                    json!({"format": "jsonl", "compression": "gzip"}),
                    "jsonl.gz",
                    "application/gzip",
                ),
                (
                    json!({"format": "jsonl", "compression": "zstd"}),
                    "jsonl.zst",
                    "application/zstd",
                ),
                (json!({"format": "parquet"}), "parquet", parquet),
                (
                    json!({"format": "parquet", "compression": "gzip"}),
                    "parquet",
                    parquet,
                ),
            ] {
                let row = with_options(consumer.row(Completed), &given, extension);
                let name = format!("export-{}.{extension}", row.id());
                let id = consumer.put_named(row, &name, media_type).await;
                let link = consumer.link(&id).await;
                for range in [None, Some(("Range", "bytes=0-9"))] {
                    let file = fetch(&link, range.as_slice()).await;
                    assert_eq!(file.status, if range.is_some() { 206 } else { 200 });
                    assert_eq!(file.header("content-type"), Some(media_type), "{store:?}");
                    let disposition = format!("attachment; filename=\"{name}\"");
                    assert_eq!(file.header("content-disposition"), Some(&*disposition));
                    assert_eq!(file.header("content-encoding"), None);
                }
            }
        }
    });
}

#[test]
fn the_key_of_the_object_has_the_extension_of_the_file() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let given = json!({"format": "jsonl", "compression": "zstd"});
        let export = consumer.create(&request_with(given.clone())).await;
        let id = id_of(&export);
        let database = consumer.fixture.database();
        let extension = format!("SELECT file_extension FROM exports WHERE id = '{id}'");
        assert_eq!(database.value(&extension).await, "jsonl.zst");
        let options = format!("SELECT file_options FROM exports WHERE id = '{id}'");
        assert_eq!(database.value(&options).await, given);
        let plain = consumer.put(consumer.row(Pending)).await;
        let options = format!("SELECT file_options FROM exports WHERE id = '{plain}'");
        assert_eq!(database.value(&options).await, Value::Null);
    });
}
