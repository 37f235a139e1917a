//! Bodies of creates with one error each.

use serde_json::{Value, json};

use crate::bad_requests::{Bad, post};
use crate::shared::{request, request_with};

pub(crate) fn json() -> Vec<Bad> {
    const JSON: &[&str] = &["payload must be valid JSON"];
    const OBJECT: &[&str] = &["payload must be valid JSON", "object"];
    let good = request().to_string();
    let nested = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let objects = r#"{"a":"#.repeat(10_000);
    let twice = r#"{"start_time":"2025-12-01T00:00:00Z","start_time":"2025-12-02T00:00:00Z","end_time":"2025-12-06T00:00:00Z"}"#;
    let escaped = twice.replacen("start", "st\\u0061rt", 1);
    let null_twice = twice.replacen("\"2025-12-01T00:00:00Z\"", "null", 1);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe", utf16.as_slice()].concat();
    vec![
        post("", JSON),
        post(" ", JSON),
        post("\0", JSON),
        post("{", JSON),
        post("{}}", JSON),
        post("{'start_time': 1}", JSON),
        post("{start_time: 1}", JSON),
        post(r#"{"start_time": NaN}"#, JSON),
        post(r#"{"start_time": 01}"#, JSON),
        post(r#"{"start_time": "\x41"}"#, JSON),
        post(r#"{"start_time": "\ud800"}"#, JSON),
        post("{\"start_time\": \"a\nb\"}", JSON),
        post(b"{\"start_time\": \"\xff\xfe\"}".to_vec(), JSON),
        post(format!("{good} trailing"), JSON),
        post(format!("{good}{good}"), JSON),
        post(format!("{good},"), JSON),
        post(format!("{good}\0"), JSON),
        post(format!("\u{feff}\u{feff}{good}"), JSON),
        post(format!(" \u{feff}{good}"), JSON),
        post(utf16, JSON),
        post(marked, &["UTF-8", "byte order mark"]),
        post(
            "start_time=2025-12-01T00:00:00Z&end_time=2025-12-02T00:00:00Z",
            JSON,
        ),
        post("<export/>", JSON),
        post("[]", OBJECT),
        post(format!("[{good}]"), OBJECT),
        post("null", OBJECT),
        post("true", OBJECT),
        post("42", OBJECT),
        post("\"text\"", OBJECT),
        post(nested.clone(), JSON),
        post(format!("{{\"start_time\": {nested}}}"), JSON),
        post(objects, JSON),
        post(r#"{"start_time": 1e999}"#, &[]),
        post(format!("{{\"start_time\": {}}}", "9".repeat(400)), &[]),
        post(twice, &["start_time", "once"]),
        post(escaped, &["start_time", "once"]),
        post(null_twice, &["start_time", "once"]),
        Bad {
            status: 413,
            code: "PAYLOAD_TOO_LARGE",
            ..post(
                format!("{good}{}", " ".repeat(65_537 - good.len())),
                &["65536 bytes"],
            )
        },
    ]
}

pub(crate) fn fields() -> Vec<Bad> {
    let with =
        |changes: Value, says: &[&'static str]| post(request_with(changes).to_string(), says);
    let mut cases = vec![
        post("{}", &["start_time is required"]),
        post(
            r#"{"start_time":"2025-12-01T00:00:00Z"}"#,
            &["end_time is required"],
        ),
        post(
            r#"{"end_time":"2025-12-01T00:00:00Z"}"#,
            &["start_time is required"],
        ),
        with(json!({"end_time": null}), &["end_time is required"]),
        with(
            json!({"limit": 5}),
            &["unknown field", "limit", "start_time"],
        ),
        with(json!({"Status": "queued"}), &["unknown field", "Status"]),
        with(json!({"startTime": "x"}), &["unknown field", "startTime"]),
        with(json!({"": "x"}), &["unknown field"]),
        with(json!({"a\u{0}\u{1b}[31m\n": "x"}), &["unknown field"]),
        with(json!({"x".repeat(5000): "x"}), &["unknown field"]),
        with(json!({"__proto__": {}}), &["unknown field", "__proto__"]),
        with(
            json!({"end_time": "2025-11-30T00:00:00Z"}),
            &["end_time must be after start_time"],
        ),
        with(
            json!({"start_time": "2025-12-01T00:00:00"}),
            &["start_time", "offset"],
        ),
        with(
            json!({"end_time": "2025-12-01T00:00:00\u{0}Z"}),
            &["end_time", "RFC 3339"],
        ),
        with(
            json!({"end_time": "99999-12-01T00:00:00Z"}),
            &["end_time", "RFC 3339"],
        ),
        with(
            json!({"start_time": "0000-12-01T00:00:00Z"}),
            &["start_time", "0001 to 9999"],
        ),
        with(
            json!({"direction": "both"}),
            &["direction must be one of outbound, inbound"],
        ),
        with(
            json!({"direction": "Outbound"}),
            &["direction must be one of"],
        ),
        with(
            json!({"direction": "outbound\u{0}"}),
            &["direction must be one of"],
        ),
        with(
            json!({"status": "completed"}),
            &["status must be one of queued, delivering"],
        ),
        with(json!({"status": "QUEUED"}), &["status must be one of"]),
        with(
            json!({"status": "x".repeat(50_000)}),
            &["status must be one of"],
        ),
    ];
    for name in [
        "start_time",
        "end_time",
        "direction",
        "status",
        "endpoint_id",
        "inbound_endpoint_id",
    ] {
        cases.push(with(json!({name: ""}), &["must not be empty"]));
        for wrong in [
            json!(0),
            json!(-1.5),
            json!(true),
            json!([]),
            json!(["queued"]),
            json!({}),
            json!({"$ne": null}),
        ] {
            let mut case = with(json!({ name: wrong }), &["must be a string"]);
            case.says.push(name);
            cases.push(case);
        }
    }
    cases
}

pub(crate) fn lists() -> Vec<Bad> {
    let with =
        |changes: Value, says: &[&'static str]| post(request_with(changes).to_string(), says);
    let mut cases = Vec::new();
    for name in ["statuses", "endpoint_ids", "inbound_endpoint_ids"] {
        for wrong in [json!(""), json!("queued"), json!(0), json!({}), json!(true)] {
            let mut case = with(json!({ name: wrong }), &["must be a list of strings"]);
            case.says.push(name);
            cases.push(case);
        }
        cases.push(with(json!({name: []}), &["must have 1 to 50 values"]));
        cases.push(with(json!({name: [[]]}), &["[0] must be a string"]));
        cases.push(with(json!({name: [null]}), &["[0] must be a string"]));
        cases.push(with(json!({name: [""]}), &["[0] must not be empty"]));
    }
    cases.extend([
        with(
            json!({"statuses": ["queued", "succeeded", "sent"]}),
            &["statuses[2] must be one of queued, delivering"],
        ),
        with(
            json!({"statuses": ["queued", "queued"]}),
            &["statuses[1] is repeated"],
        ),
        with(
            json!({"status": "queued", "statuses": ["queued"]}),
            &["status and statuses must not be given together"],
        ),
        with(
            json!({"start_time": "2025-12-01", "direction": "both", "limit": 5}),
            &[
                "start_time must be an RFC 3339 timestamp with an offset: use 2025-12-01T00:00:00Z",
                "; direction must be one of",
                "; unknown field \"limit\"",
            ],
        ),
    ]);
    cases
}

pub(crate) fn endpoints() -> Vec<Bad> {
    const EP: &[&str] = &["endpoint_id must be in format ep_xxx"];
    const UUID: &[&str] = &["inbound_endpoint_id must be a UUID"];
    let plain = "550e8400-e29b-41d4-a716-446655440000";
    let digits = "550e8400e29b41d4a716446655440000";
    let outbound = |id: &str| post(request_with(json!({"endpoint_id": id})).to_string(), EP);
    let inbound = |id: &str| {
        let request = json!({"direction": "inbound", "inbound_endpoint_id": id});
        post(request_with(request).to_string(), UUID)
    };
    let with =
        |changes: Value, says: &[&'static str]| post(request_with(changes).to_string(), says);
    vec![
        outbound(plain),
        outbound(digits),
        outbound("ep_"),
        outbound(&format!("ep_{plain}")),
        outbound(&format!("ep_{}", &digits[1..])),
        outbound(&format!("ep_{digits}0")),
        outbound(&format!("EP_{digits}")),
        outbound(&format!("ep_{}g", &digits[1..])),
        outbound(&format!("ep_{}é", &digits[2..])),
        outbound("ep_*"),
        inbound(digits),
        inbound(&format!("ep_{digits}")),
        inbound(&format!("{{{plain}}}")),
        inbound(&format!("urn:uuid:{plain}")),
        inbound(&format!("{plain} ")),
        with(
            json!({"inbound_endpoint_id": plain}),
            &["inbound_endpoint_id", "direction inbound"],
        ),
        with(
            json!({"direction": "inbound", "endpoint_id": format!("ep_{digits}")}),
            &["endpoint_id", "direction outbound"],
        ),
        with(
            json!({"endpoint_id": format!("ep_{digits}"), "inbound_endpoint_id": plain}),
            &["endpoint_id"],
        ),
        with(
            json!({"endpoint_ids": [format!("ep_{digits}"), plain]}),
            &["endpoint_ids[1] must be in format ep_xxx"],
        ),
        with(
            json!({"endpoint_ids": (0..51).map(|id| format!("ep_{id:032x}")).collect::<Vec<_>>()}),
            &["endpoint_ids must have 1 to 50 values"],
        ),
        with(
            // The same endpoint in another case.
            json!({"endpoint_ids": [format!("ep_{digits}"), format!("ep_{}", digits.to_uppercase())]}),
            &["endpoint_ids[1] is repeated"],
        ),
        with(
            json!({"endpoint_id": format!("ep_{digits}"), "endpoint_ids": [format!("ep_{digits}")]}),
            &["endpoint_id and endpoint_ids must not be given together"],
        ),
        with(
            json!({"direction": "inbound", "endpoint_ids": [format!("ep_{digits}")]}),
            &["endpoint_ids must be given with direction outbound only"],
        ),
        with(
            json!({"inbound_endpoint_ids": [plain]}),
            &["inbound_endpoint_ids must be given with direction inbound only"],
        ),
        with(
            json!({"direction": "inbound", "inbound_endpoint_ids": [plain, "x"]}),
            &["inbound_endpoint_ids[1] must be a UUID"],
        ),
        Bad {
            code: "ENDPOINT_NOT_FOUND",
            ..with(
                json!({"endpoint_id": format!("ep_{digits}")}),
                &["endpoint not found"],
            )
        },
    ]
}
