use super::*;

fn refusal(body: impl AsRef<[u8]>) -> String {
    let read = JsonFields::parse(body.as_ref(), &["a", "b"]).and_then(|mut fields| {
        fields.text("a", any);
        fields.list("b", any);
        fields.finish()
    });
    read.unwrap_err().message()
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a parser")]
fn any(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn number(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| "must be a number".to_owned())
}

fn list(body: &str) -> Result<Option<Vec<u8>>, String> {
    let mut fields = JsonFields::parse(body.as_bytes(), &["a"]).unwrap();
    let list = fields.list("a", number).value();
    fields.finish().map_err(|error| error.message())?;
    Ok(list.map(|set| set.as_slice().to_vec()))
}

#[test]
fn strings_are_parsed_and_null_counts_as_absent() {
    let body = br#" {"a": "x", "b": null} "#;
    let mut fields = JsonFields::parse(body, &["a", "b", "c"]).unwrap();
    assert_eq!(fields.text("a", any), Field::Given("x".to_owned()));
    assert_eq!(fields.text("b", any), Field::Absent);
    assert_eq!(fields.text("c", any), Field::Absent);
    assert!(fields.finish().is_ok());
}

#[test]
fn a_list_has_1_to_50_distinct_values() {
    assert_eq!(list(r#"{"a": ["7", "3"]}"#), Ok(Some(vec![3, 7])));
    assert_eq!(list(r#"{"a": null}"#), Ok(None));
    let texts = |count: u8| {
        (0..count)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    };
    let body = |count| serde_json::json!({ "a": texts(count) }).to_string();
    assert_eq!(list(&body(50)).unwrap().unwrap().len(), 50);
    for (body, message) in [
        (body(51), "a must have 1 to 50 values"),
        (r#"{"a": []}"#.to_owned(), "a must have 1 to 50 values"),
        (r#"{"a": "7"}"#.to_owned(), "a must be a list of strings"),
        (
            r#"{"a": ["7", "8", "7"]}"#.to_owned(),
            "a[2] is repeated: a must have each value once",
        ),
        (
            r#"{"a": ["x", "1", "", 2, null]}"#.to_owned(),
            "a[0] must be a number; a[2] must not be empty; a[3] must be a string; a[4] must be a string",
        ),
    ] {
        assert_eq!(list(&body), Err(message.to_owned()), "{body}");
    }
}

#[test]
fn all_faults_are_reported_in_the_order_of_the_fields() {
    assert_eq!(
        refusal(r#"{"c": 1, "b": ["", "x", "x"], "a": "", "d": 2}"#),
        "a must not be empty; b[0] must not be empty; \
         unknown fields \"c\", \"d\": the known fields are a, b"
    );
}

#[test]
fn a_body_that_is_not_a_json_object_is_rejected() {
    for (body, rest) in [
        (&b""[..], ": it is empty"),
        (b"{", " (line 1, column 1)"),
        (b"{\"a\": \"\xff\"}", " (line 1, column 8)"),
        (b"\xef\xbb\xbf", ": it is empty"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", " (line 1, column 1)"),
        (b" \xef\xbb\xbf{}", " (line 1, column 2)"),
        (b"{} {}", " (line 1, column 4)"),
        (b"{'a': 1}", " (line 1, column 2)"),
        (b"[\"x\"]", ": an object is expected"),
        (b"\"secret\"", ": an object is expected"),
        (b"null", ": an object is expected"),
    ] {
        assert_eq!(refusal(body), format!("payload must be valid JSON{rest}"));
    }
    assert!(refusal("[".repeat(10_000)).starts_with("payload must be valid JSON"));
    let deep = format!("{{\"a\": {}", "[".repeat(10_000));
    assert!(refusal(deep).starts_with("payload must be valid JSON"));
}

#[test]
fn a_utf_8_byte_order_mark_is_ignored_and_others_are_rejected() {
    let mut fields = JsonFields::parse(b"\xef\xbb\xbf {\"a\": \"x\"}", &["a"]).unwrap();
    assert_eq!(fields.text("a", any), Field::Given("x".to_owned()));
    for other in [
        &b"\xff\xfe{\0}\0"[..],
        b"\xfe\xff\0{\0}",
        b"\xff\xfe\0\0{\0\0\0}\0\0\0",
        b"\0\0\xfe\xff\0\0\0{\0\0\0}",
    ] {
        assert!(refusal(other).contains("byte order mark of UTF-16"));
    }
}

#[test]
fn unknown_and_repeated_fields_are_rejected() {
    assert_eq!(
        refusal(r#"{"a": "x", "A": "y"}"#),
        "unknown field \"A\": the known fields are a, b"
    );
    assert_eq!(
        refusal(r#"{"a": null, "a": "y"}"#),
        "a must be given once",
        "even if one of them is null"
    );
    let long = format!("{{\"{}\": 1}}", "x".repeat(5000));
    assert!(refusal(long).len() < 200);
}

#[test]
fn values_must_be_non_empty_strings() {
    for wrong in ["1", "true", "[]", "{}"] {
        assert_eq!(refusal(format!("{{\"a\": {wrong}}}")), "a must be a string");
    }
    assert_eq!(refusal(r#"{"a": ""}"#), "a must not be empty");
}

type Inner = (Option<String>, Option<bool>);

fn nested(body: &str) -> Result<Option<Inner>, String> {
    let mut fields = JsonFields::parse(body.as_bytes(), &["o"]).unwrap();
    let object = fields.object("o", &["t", "b"], |inner| {
        (inner.text("t", any).value(), inner.boolean("b").value())
    });
    fields.finish().map_err(|error| error.message())?;
    Ok(object.value())
}

#[test]
fn the_fields_of_an_object_are_read_like_those_of_the_body() {
    assert_eq!(nested("{}"), Ok(None));
    assert_eq!(nested(r#"{"o": null}"#), Ok(None));
    assert_eq!(nested(r#"{"o": {}}"#), Ok(Some((None, None))));
    let read = nested(r#"{"o": {"t": "x", "b": false}}"#);
    assert_eq!(read, Ok(Some((Some("x".to_owned()), Some(false)))));
    for (body, message) in [
        (r#"{"o": []}"#, "o must be an object"),
        (r#"{"o": true}"#, "o must be an object"),
        (r#"{"o": {}, "o": {}}"#, "o must be given once"),
        (r#"{"o": {"t": "x", "t": "y"}}"#, "o.t must be given once"),
        (
            r#"{"o": {"t": {}, "b": "true"}}"#,
            "o.t must be a string; o.b must be true or false",
        ),
        (
            r#"{"o": {"T": 1, "t": ""}}"#,
            "o.t must not be empty; unknown field \"o.T\": the known fields are o.t, o.b",
        ),
    ] {
        assert_eq!(nested(body), Err(message.to_owned()), "{body}");
    }
}

#[test]
fn a_sequence_keeps_its_order() {
    let sequence = |body: &str| {
        let mut fields = JsonFields::parse(body.as_bytes(), &["a"]).unwrap();
        let check = |values: Vec<u8>| match values[..] {
            [first, ..] if first > 100 => Err(vec!["[0] is large".to_owned()]),
            _ => Ok(values),
        };
        let values = fields.sequence("a", 3, number, check).value();
        fields.finish().map_err(|error| error.message())?;
        Ok(values)
    };
    assert_eq!(
        sequence(r#"{"a": ["7", "3", "7"]}"#),
        Ok(Some(vec![7, 3, 7]))
    );
    for (body, message) in [
        (r#"{"a": []}"#, "a must have 1 to 3 values"),
        (
            r#"{"a": ["1", "2", "3", "4"]}"#,
            "a must have 1 to 3 values",
        ),
        (
            r#"{"a": ["x", 1]}"#,
            "a[0] must be a number; a[1] must be a string",
        ),
        (r#"{"a": ["101"]}"#, "a[0] is large"),
        (r#"{"a": {}}"#, "a must be a list of strings"),
    ] {
        assert_eq!(sequence(body), Err(message.to_owned()), "{body}");
    }
}
