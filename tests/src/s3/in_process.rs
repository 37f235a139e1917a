//! `s3s-fs` over a temporary folder.
//!
//! It corrects two answers of `s3s-fs`: a request about an unknown upload gets 404, and a part that arrives during the abort
//! of its upload is removed.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::error_handling::HandleError;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;

use super::faults::query;
use super::front::error;
use super::{ACCESS_KEY, BUCKET, SECRET_KEY};

#[derive(Debug)]
pub(super) struct InProcess {
    root: TempDir,
}

impl InProcess {
    pub(super) fn start() -> Self {
        let root = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        Self { root }
    }

    pub(super) fn router(&self) -> Router {
        let files = s3s_fs::FileSystem::new(self.root.path()).expect("a file system");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = HandleError::new(service.build(), |error: s3s::HttpError| async move {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}"))
        });
        let root = self.root.path().to_owned();
        Router::new()
            .fallback_service(service)
            .layer(from_fn_with_state(root, corrected))
    }

    /// The keys, and the names of the files of unfinished uploads.
    pub(super) fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root.path().join(BUCKET), "", &mut found);
        // `.upload-<id>.json`, `.upload_id-<id>.part-<n>`, `.bucket-….upload-<id>.metadata.json`, `.tmp.<n>.….part`
        let remains = self.names().into_iter();
        // A real server discards a PUT whose client disappears. This one keeps `.tmp.<n>.internal.part`.
        let remains = remains.filter(|name| !name.ends_with(".internal.part"));
        found.extend(remains.filter(|name| name.contains(".upload") || name.starts_with(".tmp.")));
        found
    }

    pub(super) fn uploads(&self) -> usize {
        let names = self.names().into_iter();
        names.filter(|name| name.starts_with(".upload-")).count()
    }

    fn names(&self) -> Vec<String> {
        let entries = self.root.path().read_dir().expect("the server's folder");
        entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

async fn corrected(State(root): State<PathBuf>, request: Request, next: Next) -> Response {
    let Some(upload) = query(&request, "uploadId").map(str::to_owned) else {
        return next.run(request).await;
    };
    // In its own task: `settle` also runs if the client disconnects.
    let served = tokio::spawn(async move {
        let served = next.run(request).await;
        settle(&root, &upload, served)
    });
    served.await.expect("serving does not panic")
}

/// Removes the parts of an upload that no longer exists.
fn settle(root: &Path, upload: &str, served: Response) -> Response {
    if root.join(format!(".upload-{upload}.json")).exists() {
        return served;
    }
    let part = format!(".upload_id-{upload}.part-");
    for entry in root.read_dir().into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&part) {
            // Another request may do the same at the same time.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    match served.status() {
        StatusCode::FORBIDDEN => error(404, "NoSuchUpload"),
        _ => served,
    }
}

fn walk(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in directory.read_dir().expect("the bucket's folder") {
        let entry = entry.expect("an entry");
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{key}/"), found);
        } else {
            found.push(key);
        }
    }
}
