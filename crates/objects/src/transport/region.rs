//! The region of a bucket, from a response header or a host name.

use http::HeaderMap;

const BUCKET_REGION: &str = "x-amz-bucket-region";

pub(super) fn of_headers(headers: &HeaderMap) -> Option<String> {
    let region = headers.get(BUCKET_REGION)?.to_str().ok()?;
    (!region.is_empty()).then(|| region.to_owned())
}

/// The region in an AWS host name: `s3.eu-west-1.amazonaws.com`, `bucket.s3-eu-west-1.amazonaws.com`.
pub(super) fn of_host(host: &str) -> Option<String> {
    let name = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let label = name.rsplit('.').next()?;
    let label = label.strip_prefix("s3-").unwrap_or(label);
    let is_region = label.split('-').count() >= 3 && label.ends_with(|c: char| c.is_ascii_digit());
    is_region.then(|| label.to_owned())
}
