//! Reads a store's URL and its public address, and refuses what only looks like one.
//!
//! No message repeats any part of what it refuses: a mistyped URL is where credentials turn up.

use std::path::PathBuf;

use object_store::path::Path;
use url::Url;

use crate::config::OpenError;

/// A store's place, before anything is connected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Directory(PathBuf),
    Bucket(Bucket),
}

/// A bucket (Azure: container) and the prefix before all keys in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) cloud: Cloud,
    pub(crate) name: String,
    pub(crate) prefix: Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    S3,
    Gcs,
    Azure,
}

impl Location {
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(OpenError::Url(SHAPE));
        };
        let cloud = match scheme {
            "file" => return directory(text, rest),
            "s3" => Cloud::S3,
            "gs" => Cloud::Gcs,
            "az" => Cloud::Azure,
            _ => return Err(OpenError::Url(SHAPE)),
        };
        let url = parse_plain(text).map_err(OpenError::Url)?;
        let name = url.host_str().unwrap_or_default();
        if name.is_empty() {
            return Err(OpenError::Url(
                "the URL names no bucket: write s3://bucket/prefix",
            ));
        }
        if url.port().is_some() {
            return Err(OpenError::Url(
                "a bucket has no port: the server's address belongs in AWS_ENDPOINT_URL, GOOGLE_BASE_URL or \
                 AZURE_STORAGE_ENDPOINT",
            ));
        }
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$'))
        {
            return Err(OpenError::Url(
                "the bucket's name has characters that no bucket can have",
            ));
        }
        let prefix = Path::from_url_path(url.path()).map_err(|_| {
            OpenError::Url("the prefix has empty segments, `..` or control characters")
        })?;
        Ok(Self::Bucket(Bucket {
            cloud,
            name: name.to_owned(),
            prefix,
        }))
    }
}

const SHAPE: &str = "the URL must be file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix";

fn directory(text: &str, rest: &str) -> Result<Location, OpenError> {
    // The parser would take the first segment of a relative path for a host, and would drop `localhost`.
    if !rest.starts_with('/') {
        return Err(OpenError::Url(
            "a directory's URL has an absolute path and no host: three slashes, file:///directory",
        ));
    }
    let url = parse_plain(text).map_err(OpenError::Url)?;
    let path = url
        .to_file_path()
        .map_err(|()| OpenError::Url("the URL's path is not a path of this machine"))?;
    if path.parent().is_none() {
        return Err(OpenError::Url(
            "the URL names the root of the file system: give the files a directory of their own",
        ));
    }
    Ok(Location::Directory(path))
}

/// The address that links are signed for: scheme, host and port only, because a signature covers the path as well.
pub(crate) fn public_endpoint(text: &str) -> Result<Url, OpenError> {
    let url = parse_plain(text).map_err(OpenError::PublicEndpoint)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(OpenError::PublicEndpoint(
            "it must be an absolute URL such as https://files.example.com",
        ));
    }
    if url.path() != "/" {
        return Err(OpenError::PublicEndpoint(
            "it must end after the host and port: a link's signature covers its path, so nothing can be put before it",
        ));
    }
    Ok(url)
}

/// A URL without what would be silently ignored or could carry a secret.
fn parse_plain(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "the URL must not hold a user name or password: credentials come from the cloud's own variables",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL must not have a query or a fragment");
    }
    Ok(url)
}

/// Whether the address that the cloud's variables give can be used. Says which variable to mend; its value may hold
/// a password.
pub(crate) fn check_endpoint(
    variable: &str,
    text: &str,
    allow_http: (&str, bool),
) -> Result<(), OpenError> {
    let url = parse_plain(text)
        .map_err(|problem| OpenError::Environment(format!("{variable}: {problem}")))?;
    match (url.scheme(), allow_http) {
        ("https", _) | ("http", (_, true)) => Ok(()),
        ("http", (allow, false)) => Err(OpenError::Environment(format!(
            "{variable} is plain HTTP, which must be allowed by {allow}=true"
        ))),
        _ => Err(OpenError::Environment(format!(
            "{variable} must begin with https:// or http://"
        ))),
    }
}

#[cfg(test)]
mod tests {
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
    fn buckets_with_and_without_prefix() {
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
    fn directories_are_absolute() {
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
    fn each_malformed_url_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "must be file:///"),
            ("exports", "must be file:///"),
            ("s3:bucket", "must be file:///"),
            ("http://host/bucket", "must be file:///"),
            ("s3://", "names no bucket"),
            ("s3:///prefix", "names no bucket"),
            ("s3://bucket:9000/prefix", "no port"),
            ("s3://bu%20cket/prefix", "no bucket can have"),
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
    fn a_public_address_is_scheme_host_and_port() {
        for good in [
            "https://files.example.com",
            "https://files.example.com/",
            "http://localhost:9000",
        ] {
            public_endpoint(good).expect(good);
        }
        for (text, reason) in [
            ("files.example.com", "not a URL"),
            ("ftp://files.example.com", "absolute URL"),
            ("localhost:9000", "absolute URL"),
            ("https://files.example.com/bucket", "end after the host"),
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
    fn plain_http_needs_a_word() {
        let check =
            |text, allowed| check_endpoint("AWS_ENDPOINT_URL", text, ("AWS_ALLOW_HTTP", allowed));
        check("https://s3.example.com", false).unwrap();
        check("http://localhost:9000", true).unwrap();
        let message = check("http://localhost:9000", false)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "AWS_ENDPOINT_URL is plain HTTP, which must be allowed by AWS_ALLOW_HTTP=true"
        );
        let message = check("https://me:hush@s3.example.com", true)
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("AWS_ENDPOINT_URL: ") && !message.contains("hush"),
            "{message}"
        );
        check("localhost:9000", true).unwrap_err();
    }
}
