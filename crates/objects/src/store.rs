//! The store: one enum over all kinds of stores.
//!
//! This module opens and checks a store, selects the client for a request, and maps keys to paths. It adds the prefix itself,
//! because the prefix store of `object_store` supports neither multipart uploads by id nor links.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use object_store::azure::MicrosoftAzure;
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;

use crate::clients::{self, Clients};
use crate::config::{OpenError, StoreConfig};
use crate::env_vars::EnvVars;
use crate::error::{ErrorKind, StoreError};
use crate::local::{IfMissing, LocalFiles};
use crate::location::{Cloud, Location, public_endpoint};

/// The timeout of [`Store::check`].
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

const CHECK_ACTION: &str = "cannot use the object store";

/// An open store. Clones share their connections.
#[derive(Clone)]
pub enum Store {
    /// Amazon S3 or a compatible server.
    S3(Clients<AmazonS3>),
    /// Google Cloud Storage.
    Gcs(Clients<GoogleCloudStorage>),
    /// Azure Blob Storage.
    Azure(Clients<MicrosoftAzure>),
    /// A directory. It signs no links, so the API serves its files.
    File(LocalFiles),
}

impl Store {
    /// Opens the store with the environment variables of the process. Opens no connection: see [`check`](Self::check). Creates a
    /// missing directory if its parent exists.
    pub fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        Self::open_in(config, &EnvVars::of_process(), IfMissing::Create)
    }

    /// Like [`open`](Self::open), but a directory must exist.
    pub fn open_existing(config: &StoreConfig) -> Result<Self, OpenError> {
        Self::open_in(config, &EnvVars::of_process(), IfMissing::Fail)
    }

    /// Like [`open`](Self::open), with these environment variables.
    pub fn open_with(
        config: &StoreConfig,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OpenError> {
        Self::open_in(config, &EnvVars::new(variables), IfMissing::Create)
    }

    fn open_in(
        config: &StoreConfig,
        env: &EnvVars,
        if_missing: IfMissing,
    ) -> Result<Self, OpenError> {
        let public = config
            .public_endpoint
            .as_deref()
            .map(public_endpoint)
            .transpose()?;
        let bucket = match Location::parse(&config.url)? {
            Location::Directory(_) if public.is_some() => {
                return Err(OpenError::PublicEndpoint(
                    "a directory has no public endpoint: the API serves its files",
                ));
            }
            Location::Directory(root) => {
                return LocalFiles::open(&root, if_missing).map(Self::File);
            }
            Location::Bucket(bucket) => bucket,
        };
        match bucket.cloud {
            Cloud::S3 => clients::s3(bucket, env, public).map(Self::S3),
            Cloud::Gcs => clients::gcs(bucket, env, public.as_ref()).map(Self::Gcs),
            Cloud::Azure => clients::azure(bucket, env, public).map(Self::Azure),
        }
    }

    /// Checks that the store is usable: the bucket exists and can be listed, or the directory is writable. Takes at most 10 s.
    pub async fn check(&self) -> Result<(), StoreError> {
        let timed_out = |_| {
            let reason = "no response within 10 s";
            StoreError::new(ErrorKind::Unavailable, CHECK_ACTION, reason)
        };
        tokio::time::timeout(CHECK_TIMEOUT, self.probe())
            .await
            .map_err(timed_out)?
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let client = match self.backend() {
            Backend::Directory(files) => return files.check().await,
            Backend::Bucket { quick, .. } => quick,
        };
        // Unlike a HEAD, a list distinguishes a missing bucket from a missing key. No objects have this prefix.
        match client.list(Some(&self.key("check")?)).next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(StoreError::store(CHECK_ACTION)(error)),
        }
    }

    /// The mode of the directory of a file store, if users other than its owner may read or change it.
    #[must_use]
    pub fn mode_for_others(&self) -> Option<u32> {
        match self {
            Self::S3(_) | Self::Gcs(_) | Self::Azure(_) => None,
            Self::File(files) => files.mode_for_others(),
        }
    }

    /// Whether [`sign`](Self::sign) returns links.
    #[must_use]
    pub fn signs(&self) -> bool {
        match self {
            Self::S3(_) | Self::Gcs(_) | Self::Azure(_) => true,
            Self::File(_) => false,
        }
    }

    /// Trusted certificates in addition to those of the system: `AWS_CA_BUNDLE`.
    #[must_use]
    pub fn roots(&self) -> Vec<reqwest::Certificate> {
        match self {
            Self::S3(s3) => s3.roots.clone(),
            Self::Gcs(_) | Self::Azure(_) | Self::File(_) => Vec::new(),
        }
    }

    /// The path of an object: the prefix and the key, which must be normalized.
    pub(crate) fn key(&self, key: &str) -> Result<Path, StoreError> {
        let invalid = || {
            let reason = "it is empty or contains empty segments, `..` or control characters";
            StoreError::new(ErrorKind::Invalid, "cannot use the key", reason)
        };
        let path = Path::parse(key)
            .ok()
            .filter(|path| !key.is_empty() && path.as_ref() == key);
        let path = path.ok_or_else(invalid)?;
        match self.backend() {
            Backend::Directory(_) => Ok(path),
            Backend::Bucket { prefix, .. } => Ok(prefix.parts().chain(path.parts()).collect()),
        }
    }

    pub(crate) fn backend(&self) -> Backend<'_> {
        match self {
            Self::S3(s3) => Backend::bucket(s3),
            Self::Gcs(gcs) => Backend::bucket(gcs),
            Self::Azure(azure) => Backend::bucket(azure),
            Self::File(files) => Backend::Directory(files),
        }
    }
}

/// A store as a directory, or as the clients of a bucket.
pub(crate) enum Backend<'a> {
    Directory(&'a LocalFiles),
    Bucket {
        /// For file content.
        transfer: &'a dyn ObjectStore,
        /// For all other requests.
        quick: &'a dyn ObjectStore,
        prefix: &'a Path,
    },
}

impl<'a> Backend<'a> {
    fn bucket<T: ObjectStore>(clients: &'a Clients<T>) -> Self {
        Self::Bucket {
            transfer: &clients.transfer,
            quick: &clients.quick,
            prefix: &clients.prefix,
        }
    }
}

/// The URL of the store. It never contains credentials, unlike the `Debug` output of the clients.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(s3) => write!(f, "s3://{}/{}", s3.bucket, s3.prefix),
            Self::Gcs(gcs) => write!(f, "gs://{}/{}", gcs.bucket, gcs.prefix),
            Self::Azure(azure) => write!(f, "az://{}/{}", azure.bucket, azure.prefix),
            Self::File(files) => write!(f, "{files}"),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({self})")
    }
}
