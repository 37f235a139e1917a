//! Requests with one error each, and the expected response.

use crate::bad_bodies;
use crate::shared::request;
use reqwest::Method;

/// A bad request and the expected error.
pub(crate) struct Bad {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    /// Strings in the error message: the field and the rule.
    pub(crate) says: Vec<&'static str>,
}

/// All bad requests. `existing` is the id of an export.
pub(crate) fn all(existing: &str) -> Vec<Bad> {
    let groups = [
        ids(),
        lists(),
        single(existing),
        bad_bodies::json(),
        bad_bodies::fields(),
        bad_bodies::lists(),
        bad_bodies::endpoints(),
        headers(),
    ];
    groups.into_iter().flatten().collect()
}

fn bad(method: Method, path: impl Into<String>, says: &[&'static str]) -> Bad {
    Bad {
        method,
        path: path.into(),
        headers: Vec::new(),
        body: Vec::new(),
        status: 400,
        code: "INVALID_REQUEST",
        says: says.to_vec(),
    }
}

fn get(path: impl Into<String>, says: &[&'static str]) -> Bad {
    bad(Method::GET, path, says)
}

pub(crate) fn post(body: impl Into<Vec<u8>>, says: &[&'static str]) -> Bad {
    Bad {
        body: body.into(),
        ..bad(Method::POST, "/v1/exports", says)
    }
}

fn ids() -> Vec<Bad> {
    let ids = [
        "x",
        "1",
        "-1",
        "null",
        "01935abc-def0-7123-4567-890abcdef01",
        "01935abc-def0-7123-4567-890abcdef0123",
        "01935abc-def0-7123-4567-890abcdef01g",
        "01935abcdef0-7123-4567-890abcdef012",
        "ep_01935abcdef071234567890abcdef012",
        "proj_abc123",
        "%7B01935abc-def0-7123-4567-890abcdef012%7D",
        "01935abc-def0-7123-4567-890abcdef012%20",
        "01935abc-def0-7123-4567-890abcdef012%00",
        "01935abc-def0-7123-4567-890abcdef012%0A",
        "%FF%FE",
        "%C3%A9",
        "%zz",
        "%",
        "..%2f..%2fetc%2fpasswd",
        "';DROP TABLE exports;--",
    ];
    let long = "0".repeat(6000);
    let ids = ids.into_iter().map(str::to_owned).chain([long]);
    ids.flat_map(|id| {
        let rule = &["id must be a UUID"];
        [
            get(format!("/v1/exports/{id}"), rule),
            get(format!("/v1/exports/{id}/download"), rule),
            bad(Method::DELETE, format!("/v1/exports/{id}"), rule),
        ]
    })
    .collect()
}

fn lists() -> Vec<Bad> {
    const LIMIT: &[&str] = &["limit must be a number from 1 to 500"];
    const CURSOR: &[&str] = &["cursor must be a meta.next_cursor"];
    const STATUS: &[&str] = &["status must be one of pending, processing"];
    let cases: &[(&str, &[&'static str])] = &[
        ("limit=0", LIMIT),
        ("limit=501", LIMIT),
        ("limit=-1", LIMIT),
        ("limit=+5", LIMIT),
        ("limit=%2B5", LIMIT),
        ("limit=1.0", LIMIT),
        ("limit=1e2", LIMIT),
        ("limit=0x10", LIMIT),
        ("limit=ten", LIMIT),
        ("limit=%20", LIMIT),
        ("limit=5%00", LIMIT),
        ("limit=%FF", LIMIT),
        ("limit=%D9%A3", LIMIT),
        ("limit=99999999999999999999999", LIMIT),
        ("limit=null", LIMIT),
        ("limit=", &["limit", "empty"]),
        ("limit", &["limit", "empty"]),
        ("limit=1&limit=1", &["limit", "once"]),
        ("limit=1&l%69mit=2", &["limit", "once"]),
        ("limit[]=1", &["unknown query parameter", "limit[]"]),
        ("Limit=1", &["unknown query parameter", "Limit"]),
        ("page=2", &["page", "limit, cursor, status"]),
        ("offset=10", &["unknown query parameter", "offset"]),
        ("=1", &["unknown query parameter"]),
        ("%00=1", &["unknown query parameter"]),
        ("%FF=1", &["unknown query parameter"]),
        ("cursor=", &["cursor", "empty"]),
        ("cursor=abc", CURSOR),
        ("cursor=00", CURSOR),
        ("cursor=%00", CURSOR),
        ("cursor=MTIz", CURSOR),
        ("cursor=01935abc-def0-7123-4567-890abcdef012", CURSOR),
        ("cursor=2025-12-01T00:00:00Z", CURSOR),
        ("status=", &["status", "empty"]),
        ("status=done", STATUS),
        ("status=Completed", STATUS),
        ("status=succeeded", STATUS),
        ("status=pending,failed", STATUS),
        ("status=pending&status=failed", &["status", "once"]),
        ("status=completed%00", STATUS),
        (
            "status=done&limit=0&page=2",
            &[
                "limit must be a number from 1 to 500; status must be one of",
                "; unknown query parameter \"page\"",
            ],
        ),
        (
            "direction=outbound",
            &["unknown query parameter", "direction"],
        ),
    ];
    let long = get(format!("/v1/exports?cursor={}", "0".repeat(8000)), CURSOR);
    let cases = cases.iter();
    cases
        .map(|(query, says)| get(format!("/v1/exports?{query}"), says))
        .chain([long])
        .collect()
}

/// Unknown and invalid query parameters of create and of the operations on one export.
fn single(id: &str) -> Vec<Bad> {
    let export = format!("/v1/exports/{id}");
    let redirect = &["redirect must be true or false"];
    vec![
        get(
            format!("{export}?x=1"),
            &["unknown query parameter", "takes wait"],
        ),
        get(format!("{export}?expand="), &["expand"]),
        bad(
            Method::DELETE,
            format!("{export}?force=true"),
            &["force", "takes none"],
        ),
        bad(
            Method::POST,
            "/v1/exports?dry_run=1",
            &["dry_run", "takes none"],
        ),
        get(format!("{export}/download?redirect=maybe"), redirect),
        get(format!("{export}/download?redirect=False"), redirect),
        get(format!("{export}/download?redirect=0"), redirect),
        get(
            format!("{export}/download?redirect="),
            &["redirect", "empty"],
        ),
        get(
            format!("{export}/download?redirect=true&redirect=false"),
            &["redirect", "once"],
        ),
        get(
            format!("{export}/download?format=json"),
            &["format", "redirect"],
        ),
    ]
}

fn headers() -> Vec<Bad> {
    let keyed = |values: &[&[u8]], says: &[&'static str]| {
        let headers = values.iter().map(|it| ("Idempotency-Key", it.to_vec()));
        Bad {
            headers: headers.collect(),
            ..post(request().to_string(), says)
        }
    };
    let rule = &["Idempotency-Key must be 1 to 255 visible ASCII characters"];
    vec![
        keyed(&[b""], rule),
        keyed(&[b"a b"], rule),
        keyed(&[b"a\tb"], rule),
        keyed(&["schlüssel".as_bytes()], rule),
        keyed(&[b"\xff"], rule),
        keyed(&[&[b'x'; 256]], rule),
        keyed(&[&[b'x'; 10_000]], rule),
        keyed(&[b"a", b"a"], &["Idempotency-Key must be given once"]),
        keyed(&[b"a", b"b"], &["Idempotency-Key must be given once"]),
    ]
}
