//! Parses and validates the store's URL, its public endpoint, and the clouds' endpoint variables.
//!
//! No error message contains any part of the value: a mistyped URL may contain credentials.

use std::path::PathBuf;

use object_store::path::Path;
use url::Url;

use crate::config::OpenError;

const SHAPE: &str =
    "must be file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix";

/// The parsed URL of a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Directory(PathBuf),
    Bucket(Bucket),
}

/// A bucket (Azure: container) and the prefix of all keys in it.
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
                "must have a bucket: write it as s3://bucket/prefix",
            ));
        }
        if url.port().is_some() {
            return Err(OpenError::Url(
                "must not have a port: set the server's address in AWS_ENDPOINT_URL, GOOGLE_BASE_URL or \
                 AZURE_STORAGE_ENDPOINT",
            ));
        }
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$'))
        {
            return Err(OpenError::Url(
                "must have a bucket name of letters, digits, `-`, `_`, `.` and `$`",
            ));
        }
        let prefix = Path::from_url_path(url.path()).map_err(|_| {
            OpenError::Url("must have a prefix without empty segments, `..` and control characters")
        })?;
        Ok(Self::Bucket(Bucket {
            cloud,
            name: name.to_owned(),
            prefix,
        }))
    }
}

fn directory(text: &str, rest: &str) -> Result<Location, OpenError> {
    // The URL parser would read the first segment of a relative path as a host, and would drop `localhost`.
    if !rest.starts_with('/') {
        return Err(OpenError::Url(
            "must have an absolute path and no host: write three slashes, file:///directory",
        ));
    }
    let url = parse_plain(text).map_err(OpenError::Url)?;
    let path = url
        .to_file_path()
        .map_err(|()| OpenError::Url("must have a path that is valid on this machine"))?;
    if path.parent().is_none() {
        return Err(OpenError::Url(
            "must not be the root of the file system: use a directory for the files",
        ));
    }
    Ok(Location::Directory(path))
}

/// Parses the endpoint that links are signed for: only scheme, host and port, because the signature covers the path.
pub(crate) fn public_endpoint(text: &str) -> Result<Url, OpenError> {
    let url = parse_plain(text).map_err(OpenError::PublicEndpoint)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(OpenError::PublicEndpoint(
            "must start with http:// or https://, such as https://files.example.com",
        ));
    }
    if url.path() != "/" {
        return Err(OpenError::PublicEndpoint(
            "must have only scheme, host and port: the signature of a link covers its path",
        ));
    }
    Ok(url)
}

/// Parses a URL. Rejects parts that would be ignored or that may be secret.
fn parse_plain(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://host:port")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not contain a user name or password: set the credentials in the cloud's own variables",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment");
    }
    Ok(url)
}

/// Validates an endpoint variable of a cloud. `allow_http` is the variable that permits plain HTTP, and its value.
pub(crate) fn check_endpoint(
    variable: &str,
    text: &str,
    allow_http: (&str, bool),
) -> Result<(), OpenError> {
    let problem = match (parse_plain(text), allow_http) {
        (Err(problem), _) => problem.to_owned(),
        (Ok(url), (allow, is_allowed)) => match url.scheme() {
            "https" => return Ok(()),
            "http" if is_allowed => return Ok(()),
            "http" => format!("is plain HTTP: use https://, or allow it with {allow}=true"),
            _ => "must start with https:// or http://".to_owned(),
        },
    };
    Err(OpenError::variable(variable, problem))
}

#[cfg(test)]
mod tests;
