//! Times: accepted and returned formats.

use exports_domain::ExportStatus;
use exports_tests::Message;
use serde_json::json;

use crate::api::assert_refused;
use crate::response_rules::is_wire_time;
use crate::shared::{id_of, request_with, story};

#[test]
fn times_are_accepted_with_any_offset_and_fraction_and_returned_in_utc() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for (given, shown) in [
            ("2025-12-01T00:00:00Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T00:00:00z", "2025-12-01T00:00:00Z"),
            ("2025-12-01t00:00:00Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T00:00:00+00:00", "2025-12-01T00:00:00Z"),
            ("2025-12-01T00:00:00-00:00", "2025-12-01T00:00:00Z"),
            // As RFC 3339 allows, and as Java writes a time whose seconds are zero.
            ("2025-12-01 00:00:00Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T00:00Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T01:00+01:00", "2025-12-01T00:00:00Z"),
            ("2025-12-01T05:45:00+05:45", "2025-12-01T00:00:00Z"),
            ("2025-11-30T16:00:00-08:00", "2025-12-01T00:00:00Z"),
            ("2025-12-01T23:59:00+23:59", "2025-12-01T00:00:00Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            // Returned with 0, 3 or 6 digits, as few as possible.
            ("2025-12-01T00:00:00.0Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T00:00:00.000000Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T00:00:00.5Z", "2025-12-01T00:00:00.500Z"),
            ("2025-12-01T00:00:00.12Z", "2025-12-01T00:00:00.120Z"),
            ("2025-12-01T00:00:00.123Z", "2025-12-01T00:00:00.123Z"),
            ("2025-12-01T00:00:00.1234Z", "2025-12-01T00:00:00.123400Z"),
            ("2025-12-01T00:00:00.123456Z", "2025-12-01T00:00:00.123456Z"),
            ("2025-12-01T00:00:00.000001Z", "2025-12-01T00:00:00.000001Z"),
            // Truncated, not rounded, also before 1970, where truncation of a negative number would round up.
            (
                "2025-12-01T00:00:00.1234567Z",
                "2025-12-01T00:00:00.123456Z",
            ),
            (
                "2025-12-01T00:00:00.999999999Z",
                "2025-12-01T00:00:00.999999Z",
            ),
            (
                "2025-12-01T00:00:00.9999999999999999999Z",
                "2025-12-01T00:00:00.999999Z",
            ),
            ("2025-12-01T00:00:00.0000009Z", "2025-12-01T00:00:00Z"),
            (
                "1969-12-31T23:59:59.9999999Z",
                "1969-12-31T23:59:59.999999Z",
            ),
            (
                "1900-01-01T00:00:00.0000019Z",
                "1900-01-01T00:00:00.000001Z",
            ),
            // The first and the last year.
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00.0000001Z", "0001-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999998999Z",
                "9999-12-31T23:59:59.999998Z",
            ),
        ] {
            let request = json!({ "start_time": given, "end_time": "9999-12-31T23:59:59.999999Z" });
            let export = consumer.create(&request).await;
            assert_eq!(export["filter_start_time"], shown, "{given}");
            assert_eq!(export["filter_end_time"], "9999-12-31T23:59:59.999999Z");
        }
    });
}

#[test]
fn invalid_times_and_times_without_an_offset_are_rejected_with_the_rule() {
    const RULE: &[&str] = &["start_time must be an RFC 3339 timestamp with an offset"];
    const YEARS: &[&str] = &["start_time must be in the years 0001 to 9999"];
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for (given, says) in [
            ("2025-12-01T00:00:00", RULE),
            ("2025-12-01T00:00:00.123", RULE),
            ("2025-12-01", RULE),
            ("2025-12-01T00:00:00 Z", RULE),
            ("2025-12-01T00:00:00+0000", RULE),
            ("2025-12-01T00:00:00+00", RULE),
            ("2025-12-01T00:00:00+24:00", RULE),
            ("2025-12-01T00:00:00 Europe/Berlin", RULE),
            ("2025-12-01T00:00:00.Z", RULE),
            ("2025-12-01T00:00:00,5Z", RULE),
            ("2025-12-01T24:00:00Z", RULE),
            ("2025-12-01T00:60:00Z", RULE),
            ("2025-12-01T00:00:61Z", RULE),
            ("2025-02-29T00:00:00Z", RULE),
            ("2025-13-01T00:00:00Z", RULE),
            ("2025-12-1T00:00:00Z", RULE),
            ("25-12-01T00:00:00Z", RULE),
            ("+2025-12-01T00:00:00Z", RULE),
            ("10000-01-01T00:00:00Z", RULE),
            ("-0001-01-01T00:00:00Z", RULE),
            (" 2025-12-01T00:00:00Z", RULE),
            ("2025-12-01T00:00:00Z ", RULE),
            ("Mon, 01 Dec 2025 00:00:00 GMT", RULE),
            ("1764547200", RULE),
            ("now", RULE),
            ("infinity", RULE),
            ("٢٠٢٥-12-01T00:00:00Z", RULE),
            ("2025-12-01T00:00:00\u{0}Z", RULE),
            ("0000-12-31T23:59:59Z", YEARS),
            ("0001-01-01T00:00:00+00:01", YEARS),
            ("9999-12-31T23:59:59-00:01", YEARS),
        ] {
            let request = request_with(json!({ "start_time": given }));
            let reply = consumer.api.post("/v1/exports", &request).await;
            assert_refused(&reply, 400, "INVALID_REQUEST", says);
        }
    });
}

#[test]
fn another_form_of_a_time_is_refused_with_the_corrected_form() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for (given, corrected) in [
            ("2025-12-01", "2025-12-01T00:00:00Z"),
            ("2025-12-01T10:15:30", "2025-12-01T10:15:30Z"),
            ("2025-12-01T10:15", "2025-12-01T10:15:00Z"),
            ("2025-12-01 10:15:30 UTC", "2025-12-01T10:15:30Z"),
            ("2025-12-01T10:15:30+0100", "2025-12-01T10:15:30+01:00"),
            (
                "2025-12-01T10:15+01:00[Europe/Berlin]",
                "2025-12-01T10:15:00+01:00",
            ),
        ] {
            let refused = request_with(json!({ "start_time": given }));
            let reply = consumer.api.post("/v1/exports", &refused).await;
            let says =
                format!("start_time must be an RFC 3339 timestamp with an offset: use {corrected}");
            assert_refused(&reply, 400, "INVALID_REQUEST", &[&says]);
            consumer
                .create(&request_with(json!({ "start_time": corrected })))
                .await;
        }
    });
}

#[test]
fn an_end_in_the_far_future_is_an_open_range() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        consumer
            .fixture
            .insert_messages(&[Message::outbound(&consumer.project)])
            .await;
        let request = request_with(json!({ "end_time": "9999-12-31T23:59:59Z" }));
        let id = id_of(&consumer.create(&request).await);
        let export = consumer.until(&id, "completed").await;
        assert_eq!(export["row_count"], 1);
        assert_eq!(export["filter_end_time"], "9999-12-31T23:59:59Z");
    });
}

#[test]
fn end_time_must_be_after_start_time_in_whole_microseconds() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let range = |start: &str, end: &str| json!({ "start_time": start, "end_time": end });
        for (start, end) in [
            ("2025-12-01T00:00:00Z", "2025-12-01T00:00:00Z"),
            ("2025-12-02T00:00:00Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T00:00:00Z", "2025-12-01T01:00:00+01:00"),
            ("2025-12-01T00:00:00Z", "2025-12-01T00:00:00.0000009Z"),
        ] {
            let reply = consumer.api.post("/v1/exports", &range(start, end)).await;
            let says = ["end_time must be after start_time"];
            assert_refused(&reply, 400, "INVALID_REQUEST", &says);
        }
        consumer
            .create(&range(
                "2025-12-01T00:00:00Z",
                "2025-12-01T00:00:00.000001Z",
            ))
            .await;
    });
}

#[test]
fn server_timestamps_have_the_same_format() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for (stored, shown) in [
            ("2025-12-06T12:00:00Z", "2025-12-06T12:00:00Z"),
            ("2025-12-06T12:00:00.1Z", "2025-12-06T12:00:00.100Z"),
            ("2025-12-06T12:00:00.120Z", "2025-12-06T12:00:00.120Z"),
            ("2025-12-06T12:00:00.120400Z", "2025-12-06T12:00:00.120400Z"),
            (
                "2025-12-06T14:00:00.000001+02",
                "2025-12-06T12:00:00.000001Z",
            ),
        ] {
            let row = consumer.row(ExportStatus::Completed);
            let id = consumer.put(row.with("created_at", stored)).await;
            assert_eq!(consumer.get(&id).await["created_at"], shown);
        }
        let export = consumer.completed().await;
        for name in ["created_at", "started_at", "completed_at", "expires_at"] {
            let time = export[name].as_str().unwrap();
            assert!(is_wire_time(time), "{name}: {time}");
        }
    });
}
