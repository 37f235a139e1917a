//! The stores that a stack can have, one face for all.

use std::path::Path;

use tempfile::TempDir;

use crate::s3::S3Server;

/// Which object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// A folder.
    File,
    /// An S3 server inside the test's process.
    S3,
    /// A real Garage.
    Garage,
}

impl StoreKind {
    /// Every one that this machine has, for stories that are told of each. Garage can be missing: see
    /// [`S3Server::has_garage`].
    #[must_use]
    pub fn all() -> &'static [Self] {
        const ALL: &[StoreKind] = &[StoreKind::File, StoreKind::S3, StoreKind::Garage];
        if S3Server::has_garage() {
            ALL
        } else {
            &ALL[..2]
        }
    }

    /// Those that are S3 servers.
    #[must_use]
    pub fn buckets() -> &'static [Self] {
        &Self::all()[1..]
    }
}

/// A store that is there for one test. Dropping it removes it.
#[derive(Debug)]
pub enum RunningStore {
    /// A folder.
    File(TempDir),
    /// A server.
    S3(S3Server),
}

impl RunningStore {
    /// Makes an empty one. Panics if it cannot: for Garage, see [`StoreKind::all`].
    #[must_use]
    pub fn start(kind: StoreKind) -> Self {
        match kind {
            StoreKind::File => Self::File(TempDir::new().expect("a temporary folder")),
            StoreKind::S3 => Self::S3(S3Server::in_process()),
            StoreKind::Garage => Self::S3(S3Server::garage().expect("this machine has a Garage")),
        }
    }

    /// The variables with which the programs find it.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let (url, mut variables) = match self {
            Self::File(folder) => {
                let url = url::Url::from_directory_path(folder.path());
                (url.expect("an absolute path").into(), Vec::new())
            }
            Self::S3(server) => (server.url(), server.env()),
        };
        variables.push(("EXPORTS_OBJECT_STORE_URL".to_owned(), url));
        variables
    }

    /// The server, if it is one.
    #[must_use]
    pub fn s3(&self) -> Option<&S3Server> {
        match self {
            Self::File(_) => None,
            Self::S3(server) => Some(server),
        }
    }

    /// Everything that lies in it, sorted: keys of files or objects, what unfinished uploads have left, and folders
    /// with nothing in them, which end with `/`.
    #[must_use]
    pub fn listing(&self) -> Vec<String> {
        match self {
            Self::File(folder) => {
                let mut found = Vec::new();
                walk(folder.path(), folder.path(), &mut found);
                found.sort();
                found
            }
            Self::S3(server) => server.objects(),
        }
    }
}

/// Every file and every empty folder below; one that goes away meanwhile is not there.
fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    let mut is_empty = true;
    for path in entries.flatten().map(|entry| entry.path()) {
        is_empty = false;
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(key) = path.strip_prefix(root) {
            found.push(key.display().to_string());
        }
    }
    if let Ok(key) = folder.strip_prefix(root)
        && is_empty
        && folder != root
    {
        found.push(format!("{}/", key.display()));
    }
}
