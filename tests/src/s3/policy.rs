//! The bucket policies of `deploy/bucket`, and the S3 action of each request.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::Kind;

/// The actions that a policy file allows.
#[must_use]
pub fn allowed(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy/bucket")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("a policy");
    let policy: Value = serde_json::from_str(&text).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    statements
        .iter()
        .flat_map(|statement| match &statement["Action"] {
            Value::Array(actions) => actions.clone(),
            action => vec![action.clone()],
        })
        .map(|action| action.as_str().expect("an action").to_owned())
        .collect()
}

/// The action that a request of this kind needs. Several kinds need the same action.
#[must_use]
pub fn action(kind: Kind) -> &'static str {
    match kind {
        Kind::Put | Kind::CreateUpload | Kind::PutPart | Kind::CompleteUpload => "s3:PutObject",
        Kind::AbortUpload => "s3:AbortMultipartUpload",
        Kind::Head | Kind::Get => "s3:GetObject",
        Kind::Delete => "s3:DeleteObject",
        Kind::List => "s3:ListBucket",
    }
}
