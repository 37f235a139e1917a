//! Tests of the parsing of store URLs and endpoints.

use super::*;

fn bucket(text: &str) -> (Cloud, String, String) {
    match Location::parse(text).unwrap() {
        Location::Bucket(bucket) => (bucket.cloud, bucket.name, bucket.prefix.to_string()),
        Location::Directory(path) => panic!("a directory: {}", path.display()),
    }
}

fn refused(text: &str) -> String {
    Location::parse(text).expect_err(text).to_string()
}

#[test]
fn a_bucket_url_can_have_a_prefix() {
    assert_eq!(
        bucket("s3://exports"),
        (Cloud::S3, "exports".into(), String::new())
    );
    assert_eq!(
        bucket("s3://exports/"),
        (Cloud::S3, "exports".into(), String::new())
    );
    assert_eq!(
        bucket("gs://my_bucket/a/b/"),
        (Cloud::Gcs, "my_bucket".into(), "a/b".into())
    );
    assert_eq!(
        bucket("az://box/with%20space"),
        (Cloud::Azure, "box".into(), "with space".into())
    );
}

#[test]
fn a_directory_url_must_have_an_absolute_path() {
    assert_eq!(
        Location::parse("file:///var/lib/my%20exports/").unwrap(),
        Location::Directory("/var/lib/my exports/".into())
    );
    for relative in [
        "file://data/exports",
        "file://localhost/data",
        "file:data",
        "file:/data",
        "file://",
    ] {
        let message = refused(relative);
        assert!(
            message.contains("file:///directory"),
            "{relative}: {message}"
        );
    }
    assert!(refused("file:///").contains("root of the file system"));
    assert!(refused("file:///data/..").contains("root of the file system"));
}

#[test]
fn malformed_urls_are_rejected_with_a_reason() {
    for (text, reason) in [
        ("", "must be file:///"),
        ("exports", "must be file:///"),
        ("s3:bucket", "must be file:///"),
        ("http://host/bucket", "must be file:///"),
        ("s3://", "must have a bucket"),
        ("s3:///prefix", "must have a bucket"),
        ("s3://bucket:9000/prefix", "must not have a port"),
        ("s3://bu%20cket/prefix", "bucket name"),
        ("s3://bucket/a//b", "empty segments"),
        ("s3://bucket/?region=x", "query"),
        ("s3://bucket/#x", "fragment"),
        ("file:///data?x", "query"),
        ("s3://AKIA:hush@bucket/x", "user name or password"),
    ] {
        let message = refused(text);
        assert!(message.contains(reason), "{text}: {message}");
        assert!(
            !message.contains("hush") && !message.contains('\n'),
            "{message}"
        );
    }
}

#[test]
fn a_public_endpoint_must_have_only_scheme_host_and_port() {
    for good in [
        "https://files.example.com",
        "https://files.example.com/",
        "http://localhost:9000",
    ] {
        public_endpoint(good).expect(good);
    }
    for (text, reason) in [
        ("files.example.com", "must be a URL"),
        ("ftp://files.example.com", "http:// or https://"),
        ("localhost:9000", "http:// or https://"),
        (
            "https://files.example.com/bucket",
            "only scheme, host and port",
        ),
        ("https://files.example.com?x=1", "query"),
        ("https://me:hush@files.example.com", "password"),
    ] {
        let message = public_endpoint(text).expect_err(text).to_string();
        assert!(
            message.contains(reason) && !message.contains("hush"),
            "{text}: {message}"
        );
    }
}

#[test]
fn plain_http_must_be_allowed_explicitly() {
    let check =
        |text, allowed| check_endpoint("AWS_ENDPOINT_URL", text, ("AWS_ALLOW_HTTP", allowed));
    check("https://s3.example.com", false).unwrap();
    check("http://localhost:9000", true).unwrap();
    let message = check("http://localhost:9000", false)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "AWS_ENDPOINT_URL is plain HTTP: use https://, or allow it with AWS_ALLOW_HTTP=true"
    );
    let message = check("https://me:hush@s3.example.com", true)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("AWS_ENDPOINT_URL must ") && !message.contains("hush"),
        "{message}"
    );
    check("localhost:9000", true).unwrap_err();
}
